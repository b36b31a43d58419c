import { cpSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openCheckpoint } from "../../src/formats/checkpoint.js";
import { type AdaptedModel, attachAdapter, merge, readAdapter } from "../../src/models/adapters/index.js";
import { loadModel, type TaskModel } from "../../src/models/index.js";
import { EVALUATION, type ForwardContext, transposed } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { findModel, open as openModel } from "../../src/use/inference/open.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { ownHead } from "../models/ownHead.js";
import { goldenLoss } from "./goldenBatch.js";
import {
  expectClose,
  families,
  furtherCases,
  GOLDEN,
  get,
  goldenInput,
  manifest,
  readJson,
  readTensors,
  relativeError,
  type Tensors,
} from "./goldenFiles.js";
import { RecordedMasks } from "./recordedMasks.js";
import { isKeyBias } from "./support/compare.js";

interface AdapterCase {
  readonly name: string;
  readonly checkpoint: string;
  readonly head: "single" | "multi" | "regression" | "tokens" | "lm";
  readonly merged: boolean;
  readonly adapter: string;
  readonly batch: string;
  readonly file: string;
}

const newFolder = temporaryFolders();

const ofFamilies = families.flatMap((family) => {
  const { adapters = [] } = readJson<{ adapters?: AdapterCase[] }>(join(GOLDEN, family, "golden.json"));
  return adapters.map((entry) => ({ family, ...entry }));
});
const cases = [...ofFamilies, ...furtherCases<AdapterCase>("adapters")];

/** Training, without dropout. */
const TRAINING: ForwardContext = { masks: undefined };

async function open(
  family: string,
  { checkpoint: folder, adapter }: Pick<AdapterCase, "checkpoint" | "adapter">,
  dtype: torch.DType = "float32",
) {
  const checkpoint = openCheckpoint(join(GOLDEN, family, folder));
  const generator = new torch.Generator(1);
  const { model } = await loadModel(checkpoint, { ...ownHead(checkpoint.config), dtype, generator });
  checkpoint.close();
  const adapted = attachAdapter(model, await readAdapter(join(GOLDEN, family, adapter)), { generator });
  return { model, adapted };
}

function expectGradients({ trained }: AdaptedModel, golden: Tensors): void {
  const names = Array.from(golden.keys()).filter((name) => name.startsWith("grad."));
  expect(trained.map(({ name }) => `grad.base_model.model.${name}`).sort()).toEqual(effective(names).sort());
  const largest = Math.max(...names.flatMap((name) => get(golden, name).toArray().map(Math.abs)));
  for (const { name, tensor, parameter } of trained) {
    const gradient = tensor.grad ?? torch.zerosLike(tensor); // of what no loss depends on there is none
    const actual = parameter.isStoredTransposed ? transposed(gradient) : gradient;
    if (isKeyBias(name)) expect(Math.max(...actual.toArray().map(Math.abs))).toBeLessThan(1e-6 * largest);
    else expectClose(actual, get(golden, `grad.base_model.model.${name}`), 1e-4, name);
  }
}

/** PEFT also marks the biases of the original head, which its copy replaces. */
function effective(names: readonly string[]): string[] {
  return names.filter((name) => !/\.(original_module|modules_to_save)\./.test(name));
}

const forward = (model: TaskModel, rows: Tensors, context: ForwardContext): torch.Tensor =>
  model.forward(goldenInput(rows), context);

test.each(cases)("$family: logits, loss and gradients with PEFT's adapter $name", async (entry) => {
  const golden = readTensors(join(GOLDEN, entry.family, entry.file));
  const rows = readTensors(join(GOLDEN, entry.family, entry.batch));
  const { model, adapted } = await open(entry.family, entry);
  expectClose(forward(model, rows, EVALUATION), get(golden, "logits"), 1e-5, "logits in evaluation");

  const logits = forward(model, rows, TRAINING);
  expectClose(logits, get(golden, "logits"), 1e-5, "logits");
  const loss = goldenLoss(entry.head, rows, logits);
  expectClose(loss, get(golden, "loss"), 1e-5, "loss");
  torch.backward(loss);
  expectGradients(adapted, golden);
});

const hasBfloat16 = ({ family, file }: AdapterCase & { readonly family: string }): boolean =>
  readTensors(join(GOLDEN, family, file)).has("bfloat16_logits");

test.each(furtherCases<AdapterCase>("adapters").filter(hasBfloat16))(
  "$family: $name in bfloat16, not much farther from PEFT's logits in float32 than PEFT's own in bfloat16",
  async (entry) => {
    const golden = readTensors(join(GOLDEN, entry.family, entry.file));
    const rows = readTensors(join(GOLDEN, entry.family, entry.batch));
    const { model } = await open(entry.family, entry, "bfloat16");
    const error = (logits: torch.Tensor) => relativeError(torch.castTo(logits, "float32"), get(golden, "logits"));
    const ofPeft = error(get(golden, "bfloat16_logits"));
    for (const context of [EVALUATION, TRAINING])
      expect(error(forward(model, rows, context))).toBeLessThan(1.5 * ofPeft + 0.005);
  },
);

test.each(cases.filter(({ merged }) => merged))(
  "$family: $name merged as PEFT does, and the base after it",
  async (entry) => {
    const golden = readTensors(join(GOLDEN, entry.family, entry.file));
    const rows = readTensors(join(GOLDEN, entry.family, entry.batch));
    const { model, adapted } = await open(entry.family, entry);
    const base = new Map(Array.from(model.namedParameters(), ([path, { tensor }]) => [path, tensor.toArray()]));
    const before = forward(model, rows, EVALUATION).toArray();

    const unmerge = merge(adapted);
    for (const [path, { tensor, isStoredTransposed }] of model.namedParameters()) {
      const expected = golden.get(`merged.${path}`);
      if (expected) expectClose(isStoredTransposed ? transposed(tensor) : tensor, expected, 1e-5, path);
      else expect(tensor.toArray(), path).toEqual(base.get(path));
    }
    expectClose(forward(model, rows, EVALUATION), get(golden, "merged_logits"), 1e-5, "merged logits");

    unmerge();
    for (const [path, { tensor }] of model.namedParameters()) expect(tensor.toArray(), path).toEqual(base.get(path));
    expect(forward(model, rows, EVALUATION).toArray()).toEqual(before);
  },
);

test("an adapter that LoftQ started in PEFT: logits on the base that is given, and a note on which base it needs", async () => {
  const entry = cases.find(({ family, name }) => family === "llama" && name === "lora")!;
  const [source, adapter] = [join(GOLDEN, "llama", entry.adapter), newFolder()];
  cpSync(source, adapter, { recursive: true });
  const started = { init_lora_weights: "loftq", loftq_config: { loftq_bits: 4, loftq_iter: 1 } };
  const file = "adapter_config.json";
  writeFileSync(join(adapter, file), JSON.stringify({ ...readJson<object>(join(source, file)), ...started }));
  const notes: string[] = [];
  const names = { model: join(GOLDEN, "llama", entry.checkpoint), adapter };
  const found = await findModel(names, { onNote: (note) => notes.push(note) });
  const { model } = await openModel(found, { dtype: "float32" });
  const rows = readTensors(join(GOLDEN, "llama", entry.batch));
  const golden = readTensors(join(GOLDEN, "llama", entry.file));
  expectClose(forward(model, rows, EVALUATION), get(golden, "logits"), 1e-5, "logits");
  expect(notes).toEqual([expect.stringContaining("give that quantized base as the model")]);
});

const dropoutCases = [
  ...families.flatMap((family) => (manifest(family).dropout ?? []).map((entry) => ({ family, ...entry }))),
  ...furtherCases<Pick<AdapterCase, "name" | "checkpoint" | "adapter" | "file">>("dropout"),
].map((entry) => ({ head: "single" as const, ...entry }));

test.each(dropoutCases)("$family: $name with PEFT's dropout masks", async (entry) => {
  const golden = readTensors(join(GOLDEN, entry.family, entry.file));
  const { model, adapted } = await open(entry.family, entry);
  const masks = new RecordedMasks(model, golden);
  const logits = forward(model, golden, { masks });
  expectClose(logits, get(golden, "logits"), 1e-5, "logits");
  const loss = goldenLoss(entry.head, golden, logits);
  expectClose(loss, get(golden, "loss"), 1e-5, "loss");
  torch.backward(loss);
  expectGradients(adapted, golden);
  const recorded = Array.from(golden.keys()).filter((name) => name.startsWith("mask."));
  expect(masks.used.sort()).toEqual(recorded.sort());
});

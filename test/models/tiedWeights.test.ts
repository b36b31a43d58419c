import { mkdtempSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import type { Checkpoint } from "../../src/formats/checkpoint.js";
import {
  attachAdapter,
  inject,
  loraConfig,
  merge,
  mergedParameters,
  readAdapter,
} from "../../src/models/adapters/index.js";
import { type LoadedModel, loadModel } from "../../src/models/index.js";
import { writeModelFolder } from "../../src/models/loading/modelFolder.js";
import { EVALUATION, type OutputLinear } from "../../src/models/nn/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import { expectClose, GOLDEN, get, goldenInput, readJson, readTensors } from "../parity/goldenFiles.js";
import { changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

const LANGUAGE = headFor("causal-lm", 0);
const generator = new torch.Generator(5);

const load = (checkpoint: Checkpoint | string): Promise<LoadedModel> =>
  loadModel(checkpoint, { ...LANGUAGE, dtype: "float32", generator });

/** A checkpoint with an additional name for one of its tensors. */
function withSecondName(checkpoint: Checkpoint, second: string, of: string): Checkpoint {
  const plain = (name: string) => (name === second ? of : name);
  return {
    ...checkpoint,
    names: [...checkpoint.names, second],
    has: (name) => name === second || checkpoint.has(name),
    info: (name) => checkpoint.info(plain(name)),
    readBytes: (name) => checkpoint.readBytes(plain(name)),
    readTensor: (name) => checkpoint.readTensor(plain(name)),
  };
}

const golden = (file: string) => readTensors(join(GOLDEN, file));
const isTied = ({ model }: LoadedModel) => (model.outputLayer as OutputLinear).tied !== undefined;

test.each([
  ["gpt2", "lm", "lm-other"],
  ["gemma3_text", "lm", "lm-other"],
  ["llama", "lm-other", "lm"],
])("%s: %s is tied, %s is not", async (family, tied, untied) => {
  expect(isTied(await load(changedCheckpoint(`${family}/${tied}`, {})))).toBe(true);
  expect(isTied(await load(changedCheckpoint(`${family}/${untied}`, {})))).toBe(false);
});

test("two different tensors are not tied, even if the configuration says so", async () => {
  const loaded = await load(changedCheckpoint("gpt2/lm-other", { config: { tie_word_embeddings: true } }));
  expect(isTied(loaded)).toBe(false);
  const rows = golden("gpt2/forward/lm-other-language.safetensors");
  expectClose(loaded.model.forward(goldenInput(rows), EVALUATION), get(rows, "logits"), 1e-5);
});

test("two equal tensors are tied", async () => {
  const checkpoint = changedCheckpoint("gpt2/lm", {});
  expect(isTied(await load(withSecondName(checkpoint, "lm_head.weight", "transformer.wte.weight")))).toBe(true);
});

test("an output matrix without embeddings is used as the embeddings", async () => {
  const rename = (name: string) => (name === "transformer.wte.weight" ? "lm_head.weight" : name);
  const loaded = await load(changedCheckpoint("gpt2/lm", { rename }));
  expect(isTied(loaded)).toBe(true);
  const rows = golden("gpt2/forward/lm-language.safetensors");
  expectClose(loaded.model.forward(goldenInput(rows), EVALUATION), get(rows, "logits"), 1e-5);
});

test.each([
  ["gpt2/lm-other", "lm_head.weight", /lacks the weight lm_head\.weight/],
  ["llama/lm", "lm_head.weight", /lacks the weight lm_head\.weight/],
  ["llama/lm-other", "model.embed_tokens.weight", /lacks the weight model\.embed_tokens\.weight/],
])("%s without %s is refused", async (folder, missing, message) => {
  const rename = (name: string) => (name === missing ? undefined : name);
  await expect(load(changedCheckpoint(folder, { rename }))).rejects.toThrow(message);
});

test.each([
  ["gpt2", ["wte", "lm_head"]],
  ["gpt2", ["wte"]],
  ["llama", ["embed_tokens", "lm_head"]],
  ["llama", ["lm_head"]],
])("%s: what adapters make of the tied %o is written as two tensors", async (family, targetModules) => {
  const source = join(GOLDEN, family, family === "gpt2" ? "lm" : "lm-other");
  const loaded = await load(source);
  const { model } = loaded;
  const adapted = inject(model, loraConfig({ rank: 2, targetModules }), { generator });
  for (const { tensor } of adapted.trained) torch.noGrad(() => torch.normal_(tensor, 0, 0.3, { generator }));
  const rows = golden(`${family}/forward/lm-language.safetensors`);
  const expected = model.forward(goldenInput(rows), EVALUATION);

  expect(() => merge(adapted)).toThrow(/ are one tensor, which cannot hold two different merged weights/);
  const folder = mkdtempSync(join(tmpdir(), "bidora-tied-"));
  const changed = mergedParameters(adapted);
  writeModelFolder(folder, { ...loaded, source, task: TASKS["causal-lm"], labels: [], dtype: "float32", changed });
  expect(readJson<JsonObject>(join(folder, "config.json")).tie_word_embeddings).toBe(false);
  expectClose((await load(folder)).model.forward(goldenInput(rows), EVALUATION), expected, 1e-5);
});

test.each([
  ["lm_head", "lm_head"],
  ["wte", "transformer.wte"],
])("a tied tensor can't be saved whole as %s", async (saved, named) => {
  const { model } = await load(join(GOLDEN, "gpt2/lm"));
  const config = loraConfig({ rank: 2, targetModules: ["c_attn"], modulesToSave: [saved] });
  expect(() => inject(model, config, { generator })).toThrow(`modules_to_save names ${named}, but lm_head and`);
});

test("an adapter's copy of the tied table must equal the model's", async () => {
  const saved = await readAdapter(join(GOLDEN, "gpt2/adapters/lm-lora-tables"));
  const name = "lm_head.base_layer.weight";
  const other = torch.mulScalar(saved.tensors.get(name)!, 2);
  const changed = { ...saved, tensors: new Map([...saved.tensors, [name, other]]) };
  const { model } = await load(join(GOLDEN, "gpt2/lm"));
  expect(() => attachAdapter(model, changed, { generator })).toThrow(/contains its own embedding table, lm_head/);
});

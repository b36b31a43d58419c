import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { readConfig } from "../../src/formats/checkpoint.js";
import { ADAPTER_METHODS, type AdapterPlacement, eject, inject } from "../../src/models/adapters/index.js";
import { generateTokens } from "../../src/models/generation/generateTokens.js";
import { GREEDY } from "../../src/models/generation/generationSettings.js";
import { architectureOf, modelTypeOf, type TaskModel } from "../../src/models/index.js";
import { EVALUATION, type ForwardContext, Norm, transposed } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { perturb } from "../models/adapters/smallModel.js";
import { expectSameBits } from "../torch/sameBits.js";
import { goldenLoss } from "./goldenBatch.js";
import { expectClose, families, GOLDEN, get, goldenInput, manifest, readJson, type Tensors } from "./goldenFiles.js";
import { RecordedMasks } from "./recordedMasks.js";
import { openModel } from "./support/adapted.js";
import { goldenTensors, section, type TrainingCase } from "./support/cases.js";
import { expectLog, updateError } from "./support/compare.js";
import { runPhases } from "./support/phases.js";
import { encodeRows } from "./support/rows.js";

interface BottleneckCase extends TrainingCase {
  readonly name: AdapterPlacement;
  readonly size: number;
  readonly batch: string;
  readonly dropout?: string;
}

const cases = families.flatMap((family) => {
  const { bottlenecks = [] } = readJson<{ bottlenecks?: BottleneckCase[] }>(join(GOLDEN, family, "golden.json"));
  return bottlenecks.map((entry) => ({ family, ...entry }));
});

const TRAINING: ForwardContext = { masks: undefined };
const { adapter } = ADAPTER_METHODS;

/** Inserted where the architecture says, as in a run. */
function insert(
  family: string,
  checkpoint: string,
  model: TaskModel,
  { placement, size = 64, saved }: { placement: AdapterPlacement; size?: number; saved?: Tensors },
) {
  const architecture = architectureOf(readConfig(join(GOLDEN, family, checkpoint)));
  const defaults = { ...architecture, modelType: modelTypeOf(architecture) };
  const own = adapter.fromSettings({ adapterSize: size, adapterPlacement: placement } as never, defaults);
  const config = adapter.config({ ...own, modulesToSave: ["classifier", "score"] });
  return inject(model, config, { generator: new torch.Generator(3), ...(saved && { saved }) });
}

function expectGradients(adapted: ReturnType<typeof insert>, golden: Tensors): void {
  const expected = section(golden, "grad");
  expect(adapted.trained.map(({ name }) => name).sort()).toEqual([...expected.keys()].sort());
  for (const { name, tensor, parameter } of adapted.trained) {
    const gradient = tensor.grad as torch.Tensor;
    expectClose(parameter.isStoredTransposed ? transposed(gradient) : gradient, get(expected, name), 1e-4, name);
  }
}

describe.each(cases)("$family, $name: agrees with forward hooks in PyTorch", ({ family, name, ...entry }) => {
  const golden = goldenTensors(family, entry.file);
  const options = { placement: name, size: entry.size, saved: section(golden, "start") };

  test("logits and gradients", async () => {
    const model = await openModel(family, entry.checkpoint);
    const adapted = insert(family, entry.checkpoint, model, options);
    const rows = goldenTensors(family, entry.batch);
    expectClose(model.forward(goldenInput(rows), EVALUATION), get(golden, "logits"), 1e-5);
    const loss = goldenLoss("single", rows, model.forward(goldenInput(rows), TRAINING));
    expectClose(loss, get(golden, "loss"), 1e-5);
    torch.backward(loss);
    expectGradients(adapted, golden);
  });

  test("twelve steps", async () => {
    const { settings } = entry;
    const model = await openModel(family, entry.checkpoint);
    const adapted = insert(family, entry.checkpoint, model, options);
    const rows = await encodeRows(family, { ...entry, maxLength: settings.maxLength });
    const all = { ...settings, maxGradNorm: settings.maxGradNorm ?? undefined };
    const { start, phases } = runPhases({ model, adapted }, rows, all);
    const { reports, end } = phases[0]!;
    expectLog(
      reports.map(({ loss }) => loss),
      entry.losses,
      1e-5,
      "loss",
    );
    const expected = section(golden, "end");
    expect(updateError(start, end, expected)).toBeLessThan(1e-4);
    for (const [key, tensor] of end) expectClose(tensor, get(expected, key), 1e-4, key);
  });
});

test.each(cases.filter(({ dropout }) => dropout !== undefined))(
  "$family, $name: a sub-layer's dropout comes after the bottleneck",
  async ({ family, name, size, dropout }) => {
    const golden = goldenTensors(family, dropout as string);
    const model = await openModel(family, "dropout");
    const adapted = insert(family, "dropout", model, { placement: name, size, saved: section(golden, "start") });
    const masks = new RecordedMasks(model, golden);
    const logits = model.forward(goldenInput(golden), { masks });
    expectClose(logits, get(golden, "logits"), 1e-5);
    const loss = goldenLoss("single", golden, logits);
    expectClose(loss, get(golden, "loss"), 1e-5);
    torch.backward(loss);
    expectGradients(adapted, golden);
  },
);

describe.each(families)("%s", (family) => {
  const { checkpoint, file } = manifest(family).forward[0]!;
  const input = goldenInput(goldenTensors(family, file));

  test.each<[AdapterPlacement, number]>([
    ["houlsby", 2],
    ["pfeiffer", 1],
  ])("%s: %i per layer, which start as the identity and all get gradients", async (placement, each) => {
    for (const dtype of ["float32", "bfloat16"] as const) {
      const model = await openModel(family, checkpoint, dtype);
      const contexts = [EVALUATION, TRAINING];
      const before = contexts.map((context) => model.forward(input, context));
      const adapted = insert(family, checkpoint, model, { placement, size: 3 });
      expect(adapted.modules.length).toBe(each * model.config.layers);
      expect(adapted.modules.every(({ out }) => out === model.config.hiddenSize)).toBe(true);
      for (const [i, context] of contexts.entries())
        expectSameBits(model.forward(input, context), before[i] as torch.Tensor);
      if (dtype === "bfloat16") continue;
      perturb(adapted.trained.map(({ tensor }) => tensor));
      torch.backward(torch.sum(torch.square(model.forward(input, TRAINING))));
      for (const { name, tensor } of adapted.trained)
        expect(torch.linalgVectorNorm(tensor.grad as torch.Tensor).item(), name).toBeGreaterThan(0);
      const norms = [...model.baseModules()].filter(
        ([path, module]) => module instanceof Norm && !path.startsWith("classifier"),
      );
      const trained = adapted.trained.map(({ name }) => name);
      for (const [path] of norms) expect(trained.includes(`${path}.weight`), path).toBe(placement === "houlsby");
      eject(adapted);
    }
  });
});

test("the number of trained parameters, without the head, is that of the LoRA paper", async () => {
  const [layers, size, width] = [3, 36, 64];
  const each = 2 * size * width + width + size;
  const expected = { houlsby: 2 * layers * each + 2 * size * (2 * layers + 1), pfeiffer: layers * each };
  for (const placement of ["houlsby", "pfeiffer"] as const) {
    const { trained } = insert("bert", "single", await openModel("bert", "single"), { placement });
    const counts = trained.map(({ name, tensor }) => (name.startsWith("classifier") ? 0 : tensor.numel));
    expect(counts.reduce((sum, count) => sum + count, 0)).toBe(expected[placement]);
  }
});

test.each(["llama", "gpt2"])("%s: generated tokens are the same with and without a cache", async (family) => {
  const model = await openModel(family, "lm");
  const adapted = insert(family, "lm", model, { placement: "houlsby", size: 4 });
  const ids = [5, 9, 7, 11];
  const greedy = async (cache: boolean) => {
    const prompt = { ids, maxNewTokens: 12, uniform: () => 0 };
    const tokens: number[] = [];
    for await (const next of generateTokens(model, [prompt], GREEDY, { cache })) tokens.push(...next.tokens);
    return tokens;
  };
  const before = await greedy(true);
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const after = await greedy(true);
  expect(after).not.toEqual(before);
  expect(await greedy(false)).toEqual(after);
});

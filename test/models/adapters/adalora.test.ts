import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/base/records/json.js";
import {
  ADAPTER_METHODS,
  type AdaptedModel,
  attachAdapter,
  inject,
  merge,
  readAdapter,
  savedState,
  toLora,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { type AdaloraConfig, adaloraConfig } from "../../../src/models/adapters/methods/adaloraConfig.js";
import { budgetAfter } from "../../../src/models/adapters/methods/rankAllocator.js";
import { EVALUATION } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { expectClose, readJson } from "../../parity/goldenFiles.js";
import { IDS, perturb, SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined, metadata: undefined };
const PATHS = ["encoder.layer.0.query", "encoder.layer.0.value", "encoder.layer.1.query", "encoder.layer.1.value"];

const configOf = (options: Partial<AdaloraConfig> = {}) =>
  adaloraConfig({ targetModules: ["query", "value"], rank: 2, adaloraInitRank: 3, ...options });

function open(options: Partial<AdaloraConfig> = {}, dtype: torch.DType = "float32") {
  const model = new SmallModel(dtype);
  return { model, adapted: inject(model, configOf(options), { generator: new torch.Generator(3), dtype }) };
}

type Adalora = AdaptedModel<AdaloraConfig>;

/** As training does it, with gradients of one, or those given by the ends of names. */
function step(adapted: Adalora, number: number, steps: number, gradients: (name: string) => number = () => 1): void {
  const named = adapted.trained.map(({ name, tensor }) => {
    const { shape, dtype } = tensor;
    return [name, torch.full(shape, gradients(name), { dtype })] as const;
  });
  torch.noGrad(() => adapted.hooks!.afterStep!({ step: number, steps, gradients: new Map(named) }));
}

const eOf = ({ trained }: Adalora, path: string) => trained.find(({ name }) => name === `${path}.lora_E`)!.tensor;

const setE = (adapted: Adalora, values: readonly (readonly number[])[]) =>
  torch.noGrad(() => {
    for (const [i, own] of values.entries()) {
      const tensor = eOf(adapted, PATHS[i]!);
      torch.copy_(tensor, torch.tensor(own, [own.length, 1], tensor.dtype));
    }
  });

const ranksIn = (adapted: Adalora) => PATHS.map((path) => Array.from(eOf(adapted, path).toArray(), (e) => e !== 0));

/** By E alone: other gradients are zero, and E's values decide. */
const BY_E = (name: string) => (name.endsWith("lora_E") ? 1 : 0);
const RISING = [
  [1, 2, 3],
  [4, 5, 6],
  [7, 8, 9],
  [10, 11, 12],
];

async function restarted(saved: string, options: Partial<AdaloraConfig> = {}) {
  const read = await readAdapter(saved);
  const model = new SmallModel("float32");
  const config = { ...read.config, ...options };
  const adapted = attachAdapter(model, { ...read, config }, { generator: new torch.Generator(9) }) as Adalora;
  return { model, adapted };
}

function write(adapted: Adalora): string {
  const folder = newFolder();
  writeAdapter(folder, { ...savedState(adapted), ...ORIGIN });
  return folder;
}

describe("a new adapter", () => {
  test("has PEFT's names and shapes, all with weight decay: E is zero, A and B have a standard deviation of 0.02", () => {
    const { adapted } = open({ adaloraInitRank: 400 });
    const rows = adapted.trained.slice(0, 3).map(({ name, tensor, decays }) => [name, [...tensor.shape], decays]);
    expect(rows).toEqual([
      ["encoder.layer.0.query.lora_A", [400, 6], true],
      ["encoder.layer.0.query.lora_B", [5, 400], true],
      ["encoder.layer.0.query.lora_E", [400, 1], true],
    ]);
    const [a, b, e] = adapted.trained.map(({ tensor }) => Array.from(tensor.toArray()));
    for (const values of [a!, b!]) {
      const deviation = Math.sqrt(values.reduce((sum, value) => sum + value * value, 0) / values.length);
      expect(Math.abs(deviation / 0.02 - 1)).toBeLessThan(0.05);
    }
    expect(e!.every((value) => value === 0)).toBe(true);
  });

  test.each([
    [1, 2],
    [2, 3],
    [3, 5],
    [8, 12],
  ])("of rank %i starts with %i ranks", (rank, first) => {
    expect(adaloraConfig({ rank }).adaloraInitRank).toBe(first);
  });

  test("supports linear layers only", () => {
    expect(() => open({ targetModules: ["words"] })).toThrow(/embedding words/);
  });

  test("is saved with all ranks, and needs no state while it is not trained", () => {
    const { adapted } = open();
    expect(savedState(adapted)).toEqual({ config: adapted.config, tensors: expect.any(Map) });
    expect(savedState(adapted).tensors.get(`${PATHS[0]}.lora_A`)?.shape).toEqual([3, 6]);
  });
});

// As PEFT's RankAllocator.budget_schedule has them, with -1 for no allocation.
const BUDGETS: readonly [string, number, readonly number[]][] = [
  ["tinit 2, tfinal 3, deltaT 2", 12, [-1, -1, -1, 10, -1, 8, -1, 8, 8, -1, -1, -1]],
  ["tinit 0, tfinal 0, deltaT 1", 7, [13, 10, 9, 8, 8, 8, 8]],
  ["tinit 1, tfinal 1, deltaT 1", 5, [-1, 10, 8, 8, -1]],
  ["tinit 0, tfinal 0, deltaT 1", 1, [8]],
  ["tinit 0, tfinal 0, deltaT 5", 3, [-1, -1, 8]],
];

describe("the rank budget", () => {
  const scheduleOf = (text: string) => {
    const [adaloraTinit, adaloraTfinal, adaloraDeltaT] = text.match(/\d+/g)!.map(Number) as [number, number, number];
    return { adaloraTinit, adaloraTfinal, adaloraDeltaT };
  };
  const budgets = (text: string, steps: number) =>
    Array.from(
      { length: steps },
      (_, i) => budgetAfter(i + 1, steps, { first: 16, target: 8 }, scheduleOf(text)) ?? -1,
    );

  test.each(BUDGETS)("%s, %i steps: equals PEFT's", (text, steps, expected) => {
    expect(budgets(text, steps)).toEqual(expected);
  });

  test.each<[string, number, readonly number[]]>([
    ["tinit 5, tfinal 0, deltaT 1", 3, [-1, -1, 8]],
    ["tinit 0, tfinal 3, deltaT 1", 3, [8, -1, -1]],
    ["tinit 2, tfinal 9, deltaT 1", 1, [8]],
    ["tinit 2, tfinal 1, deltaT 1", 3, [-1, 8, -1]],
  ])("%s, %i steps: still reaches the target", (text, steps, expected) => {
    expect(budgets(text, steps)).toEqual(expected);
  });
});

describe("an allocation", () => {
  test("prunes the least important ranks of all layers together", () => {
    const { adapted } = open();
    setE(adapted, RISING);
    step(adapted, 1, 1, BY_E);
    expect(ranksIn(adapted)).toEqual([
      [false, false, false],
      [false, true, true],
      [true, true, true],
      [true, true, true],
    ]);
  });

  test("scores a rank by the means of its row of A and column of B, and by sensitivity times uncertainty", () => {
    const { adapted } = open({ rank: 1, adaloraInitRank: 2, adaloraDeltaT: 9, targetModules: ["0.query", "0.value"] });
    const values = new Map([
      [
        "encoder.layer.0.query.lora_A",
        [
          [5, 5, 5, 5, 5, 5],
          [1, 1, 1, 1, 1, 1],
        ],
      ],
      ["encoder.layer.0.query.lora_E", [[1], [1]]],
      [
        "encoder.layer.0.value.lora_B",
        [
          [1, 3],
          [1, 3],
          [1, 3],
          [1, 3],
          [1, 3],
          [1, 3],
        ],
      ],
      ["encoder.layer.0.value.lora_E", [[2], [2]]],
    ]);
    torch.noGrad(() => {
      for (const { name, tensor } of adapted.trained)
        torch.copy_(tensor, torch.tensor(values.get(name)?.flat() ?? new Array(tensor.numel).fill(0), tensor.shape));
    });
    // Scores are (0.15·v)·(0.15·0.85·v) of v: 5² + 1 and 1 + 1; 2² + 1 and 2² + 3².
    step(adapted, 1, 1);
    const left = ["query", "value"].map((name) => [...eOf(adapted, `encoder.layer.0.${name}`).toArray()]);
    expect(left).toEqual([
      [1, 0],
      [0, 2],
    ]);
    const memory = adapted.hooks!.memory!;
    const remembered = (name: string) => memory.get(`encoder.layer.0.value.lora_E.${name}`)!.toArray()[0]!;
    expect(remembered("sensitivity")).toBeCloseTo(0.15 * 2, 6);
    expect(remembered("uncertainty")).toBeCloseTo(0.15 * (2 - 0.3), 6);
  });

  test("also prunes ranks that tie with the last one, as PEFT does", () => {
    const { adapted } = open();
    setE(
      adapted,
      RISING.map(() => [1, 1, 2]),
    );
    step(adapted, 1, 1, BY_E);
    expect(ranksIn(adapted)).toEqual(RISING.map(() => [false, false, true]));
  });

  test("lets training restore pruned ranks before the last allocation, and not after it", () => {
    const { adapted } = open({ adaloraTfinal: 1, adaloraDeltaT: 2 });
    setE(adapted, RISING);
    for (const number of [1, 2]) step(adapted, number, 5, BY_E);
    expect(ranksIn(adapted).flat().filter(Boolean).length).toBe(8);
    setE(adapted, RISING);
    step(adapted, 3, 5, BY_E);
    expect(ranksIn(adapted).flat().every(Boolean)).toBe(true);
    step(adapted, 4, 5, BY_E);
    const left = ranksIn(adapted);
    setE(adapted, RISING);
    step(adapted, 5, 5, (name) => 100 * BY_E(name));
    expect(ranksIn(adapted)).toEqual(left);
  });

  test("prunes nothing if there are no more ranks than the target", () => {
    const { adapted } = open({ adaloraInitRank: 2 });
    setE(adapted, [
      [1, 1],
      [1, 1],
      [1, 1],
      [1, 1],
    ]);
    step(adapted, 1, 1, BY_E);
    expect(ranksIn(adapted).flat().every(Boolean)).toBe(true);
  });

  test("bases the last allocation on the steps before it", () => {
    const { adapted } = open({ adaloraDeltaT: 9 });
    setE(adapted, RISING);
    step(adapted, 1, 2, BY_E);
    const before = Array.from(adapted.hooks!.memory!.get(`${PATHS[0]}.lora_E.sensitivity`)!.toArray());
    step(adapted, 2, 2, () => 1000);
    expect(Array.from(adapted.hooks!.memory!.get(`${PATHS[0]}.lora_E.sensitivity`)!.toArray())).toEqual(before);
  });
});

test("the penalty is the mean distance of all A·Aᵀ and Bᵀ·B from I", () => {
  const { adapted } = open({ adaloraOrthogonalWeight: 0.2 }, "float64");
  perturb(adapted.trained.map(({ tensor }) => tensor));
  const distances = adapted.trained
    .filter(({ name }) => /lora_[AB]$/.test(name))
    .map(({ name, tensor }) => {
      const p = name.endsWith("A") ? tensor : torch.t(tensor);
      const product = torch.mm(p, torch.t(p)).toArray();
      return Math.hypot(...product.map((value, i) => value - (i % 4 === 0 ? 1 : 0)));
    });
  expect(distances.length).toBe(8);
  const mean = distances.reduce((sum, value) => sum + value, 0) / 8;
  expect(adapted.hooks!.penalty!().item()).toBeCloseTo(0.2 * mean, 12);
});

describe("a file", () => {
  function masked() {
    const { model, adapted } = open();
    perturb(adapted.trained.map(({ tensor }) => tensor));
    setE(adapted, RISING);
    step(adapted, 1, 1, BY_E);
    return { model, adapted, folder: write(adapted) };
  }

  test("has the remaining ranks, and gives the same outputs", async () => {
    const { model, folder } = masked();
    const json = readJson<JsonObject>(join(folder, "adapter_config.json"));
    expect(json).toMatchObject({ peft_type: "ADALORA", r: 8, init_r: 3, target_r: 2, total_step: 1 });
    expect(json.rank_pattern).toEqual({
      "encoder.layer.0.query.lora_E": [false, false, false],
      "encoder.layer.0.value.lora_E": [false, true, true],
      "encoder.layer.1.query.lora_E": [true, true, true],
      "encoder.layer.1.value.lora_E": [true, true, true],
    });
    const again = await restarted(folder);
    expect(again.adapted.trained.map(({ tensor }) => tensor.shape).slice(0, 6)).toEqual([
      [0, 6],
      [5, 0],
      [0, 1],
      [2, 5],
      [6, 2],
      [2, 1],
    ]);
    expectClose(again.model.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION), 1e-6);
    const { facts } = ADAPTER_METHODS.adalora.inLayers!;
    expect(facts(again.adapted.config, PATHS[1]!).rank).toBe(2);
    const merged = again.model.forward(IDS, EVALUATION);
    merge(again.adapted);
    expectClose(again.model.forward(IDS, EVALUATION), merged, 1e-6);
  });

  test("keeps a pruned rank whose E is not zero: early stopping restores older values", async () => {
    const { adapted, model } = masked();
    setE(adapted, [
      [0, 5, 0],
      [0, 1, 1],
      [1, 1, 1],
      [1, 1, 0],
    ]);
    const { model: again } = await restarted(write(adapted));
    expect(savedState(adapted).config).toMatchObject({
      keptRanks: { "encoder.layer.0.query": [false, true, false], "encoder.layer.1.value": [true, true, true] },
    });
    expectClose(again.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION), 1e-6);
  });

  test("trained further at the target's ranks loses none, and is saved with the same settings", async () => {
    const { folder } = masked();
    const { adapted } = await restarted(folder);
    for (const number of [1, 2, 3]) step(adapted, number, 3, BY_E);
    const again = write(adapted);
    const bytes = (of: string) => readFileSync(join(of, "adapter_model.safetensors"), "hex");
    expect(bytes(again)).toBe(bytes(folder));
    const [before, after] = [folder, again].map((of) => readJson<JsonObject>(join(of, "adapter_config.json")));
    expect(after).toEqual({ ...before, total_step: 3 });
  });

  test("trained further with more ranks than the target, records which initial ranks remain", async () => {
    const { folder } = masked();
    const { adapted, model } = await restarted(folder, { rank: 1 });
    setE(adapted, [[], [9, 1], [2, 8, 3], [4, 7, 6]]);
    step(adapted, 1, 1, BY_E);
    const { config } = savedState(adapted);
    expect(config).toMatchObject({
      keptRanks: {
        "encoder.layer.0.query": [false, false, false],
        "encoder.layer.0.value": [false, true, false],
        "encoder.layer.1.query": [false, true, false],
        "encoder.layer.1.value": [false, true, true],
      },
    });
    const { model: again } = await restarted(write(adapted));
    expectClose(again.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION), 1e-6);
  });

  test("has a number of steps that PEFT accepts, however short the run was", () => {
    const { adapted } = open({ adaloraTinit: 4, adaloraTfinal: 2 });
    const total = () => readJson<JsonObject>(join(write(adapted), "adapter_config.json")).total_step;
    expect(total()).toBe(7);
    step(adapted, 1, 3);
    expect(total()).toBe(7);
    step(adapted, 2, 30);
    expect(total()).toBe(30);
  });

  test("converts to a LoRA with the same product; a layer without ranks gets zeros", async () => {
    const { model, adapted } = masked();
    const { adapted: cropped } = await restarted(write(adapted));
    const lora = toLora(cropped);
    expect(lora.modules.map(({ rank }) => rank)).toEqual([1, 2, 3, 3]);
    expect(lora.relativeError).toBeLessThan(1e-12);
    const fresh = new SmallModel("float32");
    attachAdapter(fresh, { ...lora, ...ORIGIN }, { generator: new torch.Generator(4) });
    expectClose(fresh.forward(IDS, EVALUATION), model.forward(IDS, EVALUATION), 1e-5);
  });

  const changed = (folder: string, change: (json: JsonObject) => JsonObject) => {
    const path = join(folder, "adapter_config.json");
    writeFileSync(path, JSON.stringify(change(readJson<JsonObject>(path))));
    return readAdapter(folder);
  };
  const withPattern = (change: (pattern: JsonObject) => JsonObject) => (json: JsonObject) => ({
    ...json,
    rank_pattern: change(json.rank_pattern as JsonObject),
  });

  test.each<[string, RegExp, (json: JsonObject) => JsonObject]>([
    [
      "ranks that the tensors don't have",
      /rank_pattern keeps 1 ranks of encoder\.layer\.0\.value, but its lora_A has 2/,
      withPattern((pattern) => ({ ...pattern, "encoder.layer.0.value.lora_E": [true, false, false] })),
    ],
    [
      "another number of first ranks",
      /rank_pattern has 2 entries for encoder\.layer\.0\.value, but init_r is 3/,
      withPattern((pattern) => ({ ...pattern, "encoder.layer.0.value.lora_E": [true, true] })),
    ],
    [
      "a module more",
      /rank_pattern names elsewhere, which has no tensors/,
      withPattern((pattern) => ({ ...pattern, "elsewhere.lora_E": [true, true, true] })),
    ],
    [
      "a module less",
      /rank_pattern lacks encoder\.layer\.0\.value, which has tensors/,
      withPattern(({ "encoder.layer.0.value.lora_E": _out, ...pattern }) => pattern),
    ],
    ["no number for a rank", /rank_pattern is/, withPattern((pattern) => ({ ...pattern, x: 3 }))],
    ["an alpha that PEFT replaces by the rank", /lora_alpha is 0/, (json) => ({ ...json, lora_alpha: 0 })],
    ["magnitudes", /use_dora is true/, (json) => ({ ...json, use_dora: true })],
    ["a mean that forgets nothing", /beta1 is 1/, (json) => ({ ...json, beta1: 1 })],
  ])("with %s is refused", async (_what, message, change) => {
    await expect(changed(masked().folder, change)).rejects.toThrow(message);
  });

  test("without its rank_pattern does not fit the model", async () => {
    const read = await changed(masked().folder, (json) => ({ ...json, rank_pattern: null }));
    const attach = () => attachAdapter(new SmallModel("float32"), read, { generator: new torch.Generator(1) });
    expect(attach).toThrow(/lora_A has shape \[0, 6\], but the model needs \[3, 6\]/);
  });

  test("of older versions of PEFT may have the adapter's name in rank_pattern", async () => {
    const named = withPattern((pattern) =>
      Object.fromEntries(Object.entries(pattern).map(([name, kept]) => [`${name}.default`, kept])),
    );
    const { config } = await changed(masked().folder, named);
    expect((config as AdaloraConfig).keptRanks).toHaveProperty(["encoder.layer.0.value"], [false, true, true]);
  });
});

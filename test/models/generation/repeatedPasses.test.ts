// Passes that are recorded and repeated have the bits of passes whose code runs each time, however sequences come and go.
import { join } from "node:path";
import { afterEach, expect, test, vi } from "vitest";
import { uniforms } from "../../../src/base/seededGenerator.js";
import { readConfig } from "../../../src/formats/checkpoint.js";
import {
  ADAPTER_METHODS,
  type AdaptedModel,
  AdapterRoutes,
  eject,
  inject,
  merge,
  readAdapter,
} from "../../../src/models/adapters/index.js";
import { type PassCounts, SequenceBatch } from "../../../src/models/generation/sequenceBatch.js";
import { loadModel, type TaskModel } from "../../../src/models/index.js";
import { type BaseDtype, type CacheDtype, Linear } from "../../../src/models/nn/index.js";
import { RepeatedPasses } from "../../../src/models/nn/repeatedPasses.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN } from "../../e2e/support.js";
import { openAdapted } from "../../parity/support/adapted.js";
import { perturb } from "../adapters/smallModel.js";
import { ownHead } from "../ownHead.js";

const MOST_TOKENS = 60;

afterEach(() => {
  vi.restoreAllMocks();
});

/** Computes a pass, and says what the model computes with. */
type Pass = (counts: readonly PassCounts[], compute: (variant?: string) => Float32Array) => Float32Array;

const usual = (): Pass => (_, compute) => compute();

/** Runs the code of every pass. */
function unrepeated(pass: Pass): Pass {
  return (counts, compute) => {
    const run = vi.spyOn(RepeatedPasses.prototype, "run").mockImplementation((_key, _inputs, body) => body());
    try {
      return pass(counts, compute);
    } finally {
      run.mockRestore();
    }
  };
}

/** Counts the passes that are repeated. */
const repeats = () => {
  const run = vi.spyOn(torch.RecordedPass.prototype, "run");
  return { count: () => run.mock.results.filter(({ value }) => value).length, restore: () => run.mockRestore() };
};

/** Compares all logits of two batches. Sequences grow by a token or a few, move to other places, leave and join. */
function expectSameLogits(model: TaskModel, cacheDtype: CacheDtype, pass: () => Pass = usual): void {
  const made = repeats();
  const [repeated, plain] = [pass(), unrepeated(pass())].map((of) => new SequenceBatch(model, 0, cacheDtype, of)) as [
    SequenceBatch,
    SequenceBatch,
  ];
  const random = uniforms(5, 1);
  const below = (count: number) => Math.floor(random() * count);
  let sequences: number[][] = [];
  for (let step = 0; step < 60; step++) {
    if (sequences.length < 3 && step % 9 === 0) {
      for (const batch of [repeated, plain]) batch.add([4]);
      sequences.push([]);
    }
    sequences = sequences.map((ids) => [
      ...ids,
      ...Array.from({ length: below(12) ? 1 : 1 + below(3) }, () => 4 + below(50)),
    ]);
    const [actual, expected] = [repeated, plain].map((batch) =>
      batch.logitsAfter(sequences.map((ids) => ({ ids, wanted: 1 }))),
    );
    expect(actual).toEqual(expected);
    const kept = [...sequences.keys()].filter((i) => (sequences[i] as number[]).length < MOST_TOKENS - 3 && below(40));
    if (random() < 0.1) kept.reverse();
    for (const batch of [repeated, plain]) batch.select(kept);
    sequences = kept.map((i) => sequences[i] as number[]);
  }
  for (const batch of [repeated, plain]) batch.dispose();
  expect(made.count()).toBeGreaterThan(10);
  made.restore();
}

const load = async (folder: string, options: { dtype: torch.DType; baseDtype?: BaseDtype }) =>
  (await loadModel(folder, { ...ownHead(readConfig(folder)), generator: new torch.Generator(0), ...options })).model;

test.each([
  ["llama", "float32", "auto"],
  ["gpt2", "bfloat16", "auto"],
  ["mistral", "bfloat16", "int8"],
  ["gemma3_text", "bfloat16", "auto"],
  ["qwen3", "float32", "int8"],
  ["phi3", "float32", "auto"], // with RoPE that changes at 48 tokens
] as const)("%s in %s, with a cache in %s", async (family, dtype, cacheDtype) => {
  const model = await load(join(GOLDEN, family, "lm"), { dtype });
  expectSameLogits(model, cacheDtype);
  model.dispose();
});

test.each([
  ["llama", "lm-dora"],
  ["llama", "lm-lora-tables"],
  ["llama", "lm-ia3"],
  ["gpt2", "lm-rslora-patterns"],
] as const)("%s with the adapter %s", async (family, adapter) => {
  const { model } = await openAdapted(family, { checkpoint: "lm", adapter: `adapters/${adapter}` });
  expectSameLogits(model, "auto");
  model.dispose();
});

test("adapters that take turns", async () => {
  const model = await load(join(GOLDEN, "llama", "lm"), { dtype: "float32" });
  const names = ["lm-lora", "lm-dora"];
  const saved = await Promise.all(names.map((name) => readAdapter(join(GOLDEN, "llama", "adapters", name))));
  const routes = new AdapterRoutes(model, new Map(names.map((name, i) => [name, saved[i]!])));
  expectSameLogits(model, "auto", () => {
    const random = uniforms(6, 1);
    return (counts, compute) => {
      const adapter = [undefined, ...names][Math.floor(random() * 3)];
      const routed = counts.filter(({ tokens }) => tokens > 0).map((count) => ({ ...count, adapter }));
      return routes.pass(routed, () => compute(adapter));
    };
  });
  routes.dispose();
  model.dispose();
});

test("a text that is computed token by token has the logits of the whole text", async () => {
  const model = await load(join(GOLDEN, "llama", "lm"), { dtype: "float32" });
  const ids = Array.from({ length: 40 }, (_, i) => 4 + ((i * i) % 50));
  const batch = new SequenceBatch(model, 1);
  const whole = new SequenceBatch(model, 1, false).logitsAfter([{ ids, wanted: ids.length }])[0] as Float32Array[];
  for (const [i, expected] of whole.entries()) {
    const [[row]] = batch.logitsAfter([{ ids: ids.slice(0, i + 1), wanted: 1 }]) as [[Float32Array]];
    for (const [id, logit] of row.entries()) expect(logit).toBeCloseTo(expected[id] as number, 4);
  }
  batch.dispose();
  model.dispose();
});

/** Changes of a model with a DoRA adapter. */
const CHANGES: Readonly<Record<string, (model: TaskModel, adapted: AdaptedModel) => void>> = {
  "another adapter is attached"(model) {
    const generator = new torch.Generator(1);
    const config = ADAPTER_METHODS.lora.config({ targetModules: ["down_proj"], rank: 2 });
    perturb(inject(model, config, { generator }).trained.map(({ tensor }) => tensor));
  },
  "the adapter is removed"(_, adapted) {
    eject(adapted);
  },
  "the adapter is merged"(_, adapted) {
    merge(adapted);
  },
  "the adapter is trained"(_, adapted) {
    perturb(adapted.trained.map(({ tensor }) => tensor));
  },
  "a magnitude is changed, from which a factor is derived"(_, { trained }) {
    const magnitude = trained.find(({ name }) => name.includes("magnitude"))!.tensor;
    torch.noGrad(() => torch.copy_(magnitude, torch.mulScalar(magnitude, 2)));
  },
  "a weight is replaced"(model) {
    const weight = layerOf(model, "model.layers.1.mlp.down_proj").weight;
    weight.swap(torch.keep(torch.mulScalar(weight.tensor, 2)));
  },
  "a weight is changed in place"(model) {
    const { tensor } = layerOf(model, "model.layers.1.mlp.down_proj").weight;
    torch.noGrad(() => torch.copy_(tensor, torch.mulScalar(tensor, 2)));
  },
  "a weight that has a packed copy is changed in place"(model) {
    const { tensor } = layerOf(model, "model.layers.1.mlp.up_proj").weight;
    torch.noGrad(() => torch.copy_(tensor, torch.mulScalar(tensor, 2)));
  },
};

const layerOf = (model: TaskModel, path: string): Linear =>
  [...model.namedModules()].find(([name, module]) => name === path && module instanceof Linear)![1] as Linear;

test.each(Object.entries(CHANGES))("after two tokens of a sequence, %s", async (_, change) => {
  const { model, adapted } = await openAdapted("llama", { checkpoint: "lm", adapter: "adapters/lm-dora" });
  if (torch.engineFacts().onednn) layerOf(model, "model.layers.1.mlp.up_proj").pack();
  const batches = [usual(), unrepeated(usual())].map((pass) => new SequenceBatch(model, 1, "auto", pass));
  const ids = Array.from({ length: 12 }, (_, i) => 4 + ((i * i) % 50));
  const made = repeats();
  for (let length = 1; length <= ids.length; length++) {
    if (length === 6) torch.noGrad(() => torch.scope(() => change(model, adapted)));
    const [actual, expected] = batches.map((batch) => batch.next([ids.slice(0, length)]));
    expect(actual).toEqual(expected);
  }
  expect(made.count()).toBe(3 + 5); // each time, the third token is the first that is repeated
  made.restore();
  for (const batch of batches) batch.dispose();
  model.dispose();
});

// Runs on a base in quantized blocks beside runs on the same values in tensors.

import { cpSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test, vi } from "vitest";
import { analyze } from "../../../src/app/commands/analyze.js";
import { exportModel } from "../../../src/app/commands/models/export.js";
import { generate } from "../../../src/app/commands/models/generate.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import { openSafetensors, saveSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import type { BaseDtype } from "../../../src/models/nn/index.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { resolveRun } from "../../../src/tasks/config/index.js";
import { castTo, type DType, numelOf } from "../../../src/torch/index.js";
import { measureRun } from "../../../src/training/estimates/measureRun.js";
import { MemoryNeed } from "../../../src/training/run/memoryNeed.js";
import { prepare } from "../../../src/training/run/prepare.js";
import { wideFolder } from "../../parity/support/wide.js";
import { abortAfter, bytes, fresh, GOLDEN, jsonl, list, predicted, run, SMALL, stepsOf } from "../support.js";

const Q8_0 = join(GOLDEN, "io/gguf/q8_0.gguf");
/** Of which nothing is rounded by packing: the file has these blocks. */
const HELD = { baseDtype: "q8_0" } as const;
const DENSE = { baseDtype: "float32" } as const;

let settings: RunSettings;
beforeAll(() => {
  vi.stubEnv("XDG_CACHE_HOME", fresh("cache"));
  const texts = ["the cat sat on the mat", "the dog ran to the fog", "hello world", "it's what we'll do"];
  const train = jsonl(...texts.map((text) => ({ prompt: text.slice(0, 8), completion: text.slice(8) })));
  settings = { model: Q8_0, task: "causal-lm", train, dtype: "float32", batchSize: 2, maxSteps: 3, seed: 1 };
});

/** Rewrites a file of weights in another dtype. */
function storeAs(dtype: DType, path: string): void {
  const file = openSafetensors(path);
  const tensors = file.names.map((name) => [name, castTo(file.readTensor(name), dtype)] as const);
  file.close();
  saveSafetensors(path, tensors, { format: "pt" });
}

const twoRuns = async (more: RunSettings) =>
  [await run({ ...settings, ...more, ...HELD }), await run({ ...settings, ...more, ...DENSE })] as const;

describe("finetune", () => {
  test.each(["lora", "dora", "vera", "adalora", "adapter", "miss", "delora", "hira", "oft", "prediag"] as const)(
    "with %s writes the adapter of the run in tensors",
    async (method) => {
      const [held, dense] = await twoRuns({ method });
      expect(stepsOf(held.events).map(({ loss }) => loss)).toEqual(stepsOf(dense.events).map(({ loss }) => loss));
      const file = list(held.output).find((name) => /adapter.*\.safetensors$/.test(name))!;
      expect(bytes(held.output, file)).toBe(bytes(dense.output, file));
    },
  );

  test("with BiDoRA comes near it", async () => {
    const [held, dense] = await twoRuns({ method: "bidora", retrainSteps: 2 });
    const losses = [held, dense].map(({ events }) => stepsOf(events).map(({ loss }) => loss));
    for (const [i, loss] of losses[0]!.entries()) expect(loss).toBeCloseTo(losses[1]![i]!, 4);
  });

  test("with full is refused in one sentence", async () => {
    await expect(run({ ...settings, ...HELD, method: "full" })).rejects.toThrow(
      "No effect in this run: --base-dtype (applies only with frozen weight matrices, so with every --method except full); add what it needs, or leave it out.",
    );
  });

  test("resumes with the same bits, but not with the other way of holding weights", async () => {
    const all = { ...settings, ...HELD, method: "dora" } as const;
    const whole = await run(all);
    const output = fresh();
    await run({ ...all, output }, abortAfter(2));
    await expect(run({ ...all, ...DENSE, output, resume: true })).rejects.toThrow(
      'was made with baseDtype "q8_0", now it is "float32": resume with the run\'s own settings, or start a new run in another --output.',
    );
    await run({ ...all, output, resume: true });
    expect(bytes(output)).toBe(bytes(whole.output));
  });
});

describe("an adapter of a quantized base", () => {
  let adapters: readonly [held: string, dense: string];
  beforeAll(async () => {
    const [held, dense] = await twoRuns({ method: "dora", learningRate: 1e-2, saveEvery: 1 });
    adapters = [held.output, dense.output];
  });

  test("predicts the same with the base in blocks and in tensors", async () => {
    const of = { model: Q8_0, adapter: adapters[0], task: "causal-lm", input: settings.train } as const;
    const [held, dense] = [await predicted({ ...of, ...HELD }), await predicted({ ...of, ...DENSE })];
    expect(held.length).toBe(4);
    expect(held).toEqual(dense);
  });

  test("is used without a note on matrices in its own format, whichever flag says so, and with one on others", async () => {
    const unflagged = (await run({ ...settings, method: "lora" })).output;
    const notesOf = async (adapter: string, held: { readonly baseDtype?: BaseDtype }) => {
      const notes: string[] = [];
      const of = { model: Q8_0, adapter, prompt: "the cat", maxNewTokens: 1, dtype: "float32", ...held } as const;
      for await (const _ of generate(of, { onNote: (note) => notes.push(note) }));
      return notes;
    };
    const [stored, tensors] = [/matrices are q8_0 \(\d+\)/, /matrices are dense \(\d+\)/];
    for (const adapter of [adapters[0], unflagged]) {
      expect(await notesOf(adapter, {})).toEqual([]);
      expect(await notesOf(adapter, HELD)).toEqual([]);
      const [note, ...others] = await notesOf(adapter, DENSE);
      expect(others).toEqual([]);
      for (const part of [stored, tensors, /results differ a little/]) expect(note).toMatch(part);
      expect(await notesOf(adapter, { baseDtype: "nf4" })).toEqual([expect.stringMatching(/are nf4 \(\d+\): results/)]);
    }
    expect(await notesOf(adapters[1], DENSE)).toEqual([]);
    expect(await notesOf(adapters[1], {})).toEqual([expect.stringMatching(tensors)]);
  });

  test.each([false, true])("generates the same, merged: %s", async (merge) => {
    const of = { model: Q8_0, adapter: adapters[0], prompt: "the cat", maxNewTokens: 5, dtype: "float32" } as const;
    const texts = async (held: typeof HELD | typeof DENSE) => {
      const found: string[] = [];
      for await (const { text } of generate({ ...of, merge, ...held })) found.push(text);
      return found;
    };
    const found = await texts(HELD);
    expect(found.length).toBe(1);
    expect(found).toEqual(await texts(DENSE));
  });

  test("is merged and exported as that of the run in tensors", async () => {
    const same = async (file: string, write: (adapter: string, output: string) => Promise<unknown>) => {
      const folders = adapters.map(() => fresh());
      for (const [i, adapter] of adapters.entries()) await write(adapter, folders[i]!);
      expect(bytes(folders[0]!, file), file).toBe(bytes(folders[1]!, file));
    };
    await same("model.safetensors", (adapter, output) => merge({ model: Q8_0, adapter, output }));
    await same("adapter_model.safetensors", (adapter, output) =>
      exportModel({ model: Q8_0, adapter, to: "peft-lora", output }),
    );
    for (const to of ["gguf", "gguf-lora"] as const)
      await same("x.gguf", (adapter, output) =>
        exportModel({ model: Q8_0, adapter, to, output: join(output, "x.gguf") }),
      );
  });

  test("is analyzed against the base that it was trained on", async () => {
    const courses = [];
    for (const path of adapters) {
      const { analysis } = await analyze({ runs: [path], output: fresh() });
      courses.push(analysis.runs[0]!.layers);
    }
    expect(courses[0]!.length).toBeGreaterThan(3);
    expect(courses[0]).toEqual(courses[1]);
  });
});

test("the least memory that a run takes counts the blocks", async () => {
  const needOf = async (held: RunSettings) => {
    const config = resolveRun({ ...settings, ...held, method: "lora" });
    const prepared = await prepare({ config, saved: undefined, adapterFolder: undefined });
    return { need: new MemoryNeed(prepared), ...prepared };
  };
  const [held, dense, stored] = [await needOf(HELD), await needOf(DENSE), await needOf({})];
  expect(stored.need.with()).toBe(held.need.with());
  const inBlocks = Array.from(held.loaded.model.baseParameters(), ([, { values }]) => values).filter(
    ({ isDense }) => !isDense,
  );
  const elements = inBlocks.reduce((sum, { shape }) => sum + numelOf(shape), 0);
  for (const [dtype, bytes] of [
    ["float32", 4],
    ["bfloat16", 2],
  ] as const)
    expect(dense.need.with({ dtype }) - held.need.with({ dtype })).toBe(elements * (bytes - 34 / 32));
});

test("an estimate is made of a run on a quantized base", async () => {
  const estimate = await measureRun({ flags: { ...settings, ...HELD, method: "lora", output: fresh() } });
  const { trained } = estimate.parameters;
  expect([estimate.steps, trained > 0, estimate.warnings]).toEqual([3, true, []]);
});

test.each(["float32", "bfloat16"] as const)(
  "blocks made of a model's weights in %s are what a run started from, for its analysis too",
  async (stored) => {
    const model = fresh("wide");
    cpSync(join(GOLDEN, "bert", "single"), model, { recursive: true });
    wideFolder(model, "bert", "single");
    storeAs(stored, join(model, "model.safetensors"));
    const still = { learningRate: 0, method: "dora", maxSteps: 1, dtype: "float32" } as const;
    const { output } = await run({ ...SMALL, model, ...still, ...HELD });
    const { analysis } = await analyze({ runs: [output], output: fresh() });
    const { layers } = analysis.runs[0]!;
    expect(layers.length).toBeGreaterThan(2);
    for (const { steps } of layers) for (const { deltaM, deltaD } of steps) expect([deltaM, deltaD]).toEqual([0, 0]);
  },
);

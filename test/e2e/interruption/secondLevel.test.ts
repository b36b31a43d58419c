// Runs with --upper that are interrupted and resumed, and two ways to name one run.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join } from "node:path";
import { describe, expect, test } from "vitest";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { few } from "../../support/few.js";
import { withSources } from "../../support/sources.js";
import { abortAfter, bytes, eventsIn, fresh, json, oneLayer, ROWS, run, stepsOf } from "../support.js";
import { randomRun, results, VALIDATION } from "./results.js";

const RANDOM = randomRun();
const TRAIN = join(ROWS, "train.jsonl");
const OTHERS = join(ROWS, "pairs.jsonl");
const SOURCES = { ...RANDOM, method: "lora", upper: "sources", sourceColumn: "from", maxSteps: 3 } as const;
const ADALORA: RunSettings = {
  ...{ ...RANDOM, method: "adalora", rank: 2, adaloraTinit: 1, adaloraTfinal: 1, adaloraDeltaT: 1 },
  ...{ maxSteps: 5, dtype: "float32", retrainSteps: 5 },
};

const searched = (output: string) => stepsOf(eventsIn(output)).map(({ upper, upperLoss }) => [upper, upperLoss]);

const RUNS: Readonly<Record<string, RunSettings>> = {
  "weights of sources": { ...SOURCES, train: withSources(TRAIN), upperLearningRate: 0.5 },
  "weights of sources, with rows of the upper level's own": {
    ...{ ...SOURCES, train: withSources(TRAIN), upperTrain: OTHERS, unrollSteps: 2, gradientAccumulation: 2 },
  },
  "AdaLoRA's E": { ...ADALORA, upper: "adalora" },
  "the head above AdaLoRA": { ...ADALORA, upper: "head" },
  "DeLoRA's λ": { ...RANDOM, method: "delora", upper: "delora", maxSteps: 3 },
  "weight decays": { ...RANDOM, method: "lora", upper: "decay", weightDecay: 0.01, maxSteps: 3 },
};

describe.each(few(Object.entries(RUNS), 4))("%s", (_name, settings) => {
  test("interrupted in each phase and resumed, the bits are those of an uninterrupted run", async () => {
    const given = { ...settings, validation: VALIDATION };
    const whole = await run(given);
    const total = stepsOf(whole.events).length;
    const search = stepsOf(whole.events).filter(({ phase }) => phase === "search").length;
    for (const step of [1, search - 1, search, search + 1, total - 1]) {
      const output = fresh();
      await run({ ...given, output }, abortAfter(step));
      await run({ ...given, output, resume: true });
      expect(results(output), `left after step ${step}`).toEqual(results(whole.output));
      expect(searched(output)).toEqual(searched(whole.output));
      expect(bytes(output, "adapter_config.json")).toBe(bytes(whole.output, "adapter_config.json"));
    }
  });
});

const ranksIn = (folder: string): number => {
  const pattern = json<{ rank_pattern: Record<string, boolean[]> | null }>(join(folder, "adapter_config.json"));
  return Object.values(pattern.rank_pattern ?? {}).reduce((sum, kept) => sum + kept.filter(Boolean).length, 0);
};

test.each(["adalora", "head"] as const)("AdaLoRA's ranks are cut with --upper %s", async (upper) => {
  const { output } = await run({ ...ADALORA, upper });
  expect(ranksIn(output)).toBe(
    2 * Object.keys(json<{ rank_pattern: object }>(join(output, "adapter_config.json")).rank_pattern).length,
  );
});

const tensorsIn = (folder: string, end: string) => {
  const file = openSafetensors(join(folder, "adapter_model.safetensors"));
  const found = [...file.names].filter((name) => name.endsWith(end)).map((name) => file.readTensor(name).toArray());
  file.close();
  return found;
};

test("AdaLoRA's ranks and E are the search's with --upper adalora", async () => {
  const [search, both] = await Promise.all(
    [0, 5].map(async (retrainSteps) => (await run({ ...ADALORA, upper: "adalora", retrainSteps })).output),
  );
  expect(bytes(both!, "adapter_config.json")).toBe(bytes(search!, "adapter_config.json"));
  expect(tensorsIn(both!, "lora_E")).toEqual(tensorsIn(search!, "lora_E"));
  expect(tensorsIn(both!, "lora_A")).not.toEqual(tensorsIn(search!, "lora_A"));
});

test("AdaLoRA below another level: retraining chooses the ranks anew, whatever the search has seen", async () => {
  // the search moves nothing, but collects importance from its rows
  const still = { ...ADALORA, model: oneLayer("bert/single"), dropout: 0, upper: "head", learningRate: 0 } as const;
  const retrained = { ...still, upperLearningRate: 0, retrainLearningRate: 0.01 };
  const [short, long] = await Promise.all(
    [3, 6].map(async (maxSteps) => (await run({ ...retrained, maxSteps })).output),
  );
  for (const file of ["adapter_model.safetensors", "adapter_config.json"])
    expect(bytes(long!, file)).toBe(bytes(short!, file));
});

const edit = (path: string, change: (text: string) => string) =>
  writeFileSync(path, change(readFileSync(path, "utf8")));

const CHANGES: readonly (readonly [what: string, named: string, change: (train: string, upper: string) => void])[] = [
  [
    "a row's source",
    "different sources of the training rows:",
    (train) => edit(train, (text) => text.replace('"from":"a"', '"from":"b"')),
  ],
  [
    "a source's name",
    "different sources of the training rows:",
    (train) => edit(train, (text) => text.replaceAll('"from":"a"', '"from":"c"')),
  ],
  [
    "a word of the upper level's rows",
    "different upper level's rows, though the same number (8):",
    (_, upper) => edit(upper, (text) => text.replace("stone wall", "wall")),
  ],
  [
    "upper level's rows cut off",
    "8 upper level's rows, now there are 3:",
    (_, upper) => edit(upper, (text) => text.split("\n").slice(0, 3).join("\n")),
  ],
];

test.each(CHANGES)("%s: changed, that is refused by name when the run is resumed", async (_what, named, change) => {
  const [train, upperTrain, output] = [withSources(TRAIN), withSources(OTHERS), fresh()];
  const settings = { ...SOURCES, train, upperTrain, output };
  await run(settings, abortAfter(2));
  change(train, upperTrain);
  const error = await run({ ...settings, resume: true }).catch((caught: unknown) => caught);
  expect(error).toMatchObject({
    code: "CHECKPOINT_PROVENANCE",
    message: expect.stringContaining(`${join(output, "checkpoint-2")} was made from ${named}`),
  });
});

test("one file on both levels is refused, however it is spelled, and nothing is written", async () => {
  const [train, output] = [withSources(TRAIN), fresh()];
  for (const upperTrain of [train, `${dirname(train)}/./${basename(train)}`])
    await expect(run({ ...SOURCES, train, upperTrain, output })).rejects.toThrow(
      `--train and --upper-train are the same file, ${train}`,
    );
  expect(existsSync(output)).toBe(false);
});

test("the upper level's rows are trained on in the retrain phase, unless they are turned off", async () => {
  const settings = { ...SOURCES, train: withSources(TRAIN), upperTrain: OTHERS, batchSize: 30, maxSteps: 1 };
  const rowsOf = async (more: RunSettings) =>
    stepsOf((await run({ ...settings, ...more })).events).find(({ phase }) => phase === "retrain")?.rows;
  expect(await rowsOf({})).toBe(30);
  expect(await rowsOf({ upperRowsInRetrain: false })).toBe(22);
});

test("--method dora --upper magnitudes --norm-gradient full is --method bidora", async () => {
  const given = { ...RANDOM, validation: VALIDATION, saveEvery: 2 };
  const named = await run({ ...given, method: "bidora" });
  const spelled = await run({ ...given, method: "dora", upper: "magnitudes", normGradient: "full" });
  expect(bytes(spelled.output)).toBe(bytes(named.output));
  const [a, b] = [named, spelled].map(({ events }) => stepsOf(events).map(({ seconds: _, time: __, ...rest }) => rest));
  expect(b).toEqual(a);
  expect(bytes(join(spelled.output, "checkpoint-2"))).toBe(bytes(join(named.output, "checkpoint-2")));
});

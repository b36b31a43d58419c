import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { parse } from "yaml";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { fresh, ROWS, run, stepsOf } from "../support.js";

const validation = join(ROWS, "pairs.jsonl");
const base = {
  method: "lora",
  dropout: 0.1,
  validation,
  evalOnStart: true,
  maxSteps: 6,
  initWeights: "new-head",
} as const;

/** The lengths of a run's batches, its losses, and the metrics of its initial model. */
async function traces(settings: RunSettings) {
  const { events } = await run({ ...base, ...settings });
  const steps = stepsOf(events);
  const start = events.find((event) => event.event === "evaluation");
  return {
    batches: steps.map(({ tokens }) => tokens),
    losses: steps.map(({ loss }) => loss),
    start: start?.metrics,
  };
}

test("--data-seed draws the rows, --seed the initial values; without --data-seed one seed draws both", async () => {
  const [zero, one] = [await traces({ seed: 0 }), await traces({ seed: 1 })];
  expect(one.batches).not.toEqual(zero.batches);
  expect(one.start).not.toEqual(zero.start);
  expect(await traces({ seed: 1, dataSeed: 1 })).toEqual(one);
  const crossed = await traces({ seed: 0, dataSeed: 1 });
  expect(crossed.batches).toEqual(one.batches);
  expect(crossed.start).toEqual(zero.start);
  expect(crossed.losses).not.toEqual(one.losses);
});

test.each([
  ["sampled rows", { trainLimit: 4, batchSize: 2 }],
  ["held-out rows", { holdoutFraction: 0.5, evalEvery: 2 }],
  ["a search's two levels", { method: "bidora", retrainSteps: 1 }],
  ["a search's folds", { method: "bidora", searchFolds: 3, retrainSteps: 1 }],
] as const)("it draws %s", async (_, settings) => {
  const batches = async (seeds: RunSettings) => (await traces({ ...settings, ...seeds })).batches;
  const [zero, one] = [await batches({ seed: 0 }), await batches({ seed: 1 })];
  expect(zero).not.toEqual(one);
  expect(await batches({ seed: 0, dataSeed: 1 })).toEqual(one);
});

test("it is in run.yaml if it was given, and a resumed run keeps it", async () => {
  const output = fresh("data-seed");
  const settings = { ...base, output, dataSeed: 3, saveEvery: 2 };
  await run(settings);
  const written = parse(readFileSync(join(output, "run.yaml"), "utf8"));
  expect([written.seed, written.dataSeed]).toEqual([0, 3]);
  const { output: plain } = await run(base);
  expect(parse(readFileSync(join(plain, "run.yaml"), "utf8"))).not.toHaveProperty("dataSeed");
});

test("a changed one is refused on resuming, and so is one without effect", async () => {
  const output = fresh("data-seed");
  const stopped = new AbortController();
  const settings = { ...base, output, dataSeed: 3, saveEvery: 2 };
  await run(settings, {
    signal: stopped.signal,
    observers: [(event) => event.event === "step" && event.step === 3 && stopped.abort()],
  });
  await expect(run({ ...settings, dataSeed: 4, resume: true })).rejects.toThrow("dataSeed 3, now it is 4");
  await expect(run({ ...settings, dataSeed: undefined, resume: true })).rejects.toThrow("dataSeed 3, now it is");
  const { events } = await run({ ...settings, resume: true });
  const whole = await run({ ...settings, output: fresh() });
  expect(stepsOf(events).map(({ loss }) => loss)).toEqual(
    stepsOf(whole.events)
      .slice(3)
      .map(({ loss }) => loss),
  );
  await expect(run({ ...base, dataSeed: 1, shuffle: false })).rejects.toThrow("No effect in this run: --data-seed");
});

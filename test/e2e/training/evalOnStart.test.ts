import { join } from "node:path";
import { expect, test } from "vitest";
import { readRunLog } from "../../../src/base/records/index.js";
import { toRuns } from "../../../src/studies/report/runs.js";
import { jsonl, ROWS, run, SMALL, stepsOf } from "../support.js";

const evaluations = (events: Awaited<ReturnType<typeof run>>["events"]) =>
  events.filter((event) => event.event === "evaluation");
const losses = (events: Awaited<ReturnType<typeof run>>["events"]) => stepsOf(events).map(({ loss }) => loss);
const validation = join(ROWS, "pairs.jsonl");

test("--eval-on-start measures the model that the first step begins with, and changes no step", async () => {
  const settings = { method: "lora", dropout: 0.1, validation } as const;
  const plain = await run(settings);
  const { events, metrics } = await run({ ...settings, evalOnStart: true });
  expect(losses(events)).toEqual(losses(plain.events));
  expect(metrics).toEqual(plain.metrics);
  const [start] = evaluations(events);
  expect(start).toMatchObject({ phase: "train", step: 0 });
  // A learning rate of 0 leaves the start as it is.
  const untrained = await run({ ...settings, learningRate: 0 });
  expect(start!.metrics).toEqual(untrained.metrics);
  expect(evaluations(plain.events).map(({ step }) => step)).toEqual([4]);
});

test("it is of the test rows if there are any, before a search, and no point of the report's curves", async () => {
  const [first] = [SMALL.train];
  const { events, output } = await run({
    method: "bidora",
    retrainSteps: 1,
    maxSteps: 1,
    validation,
    test: first,
    evalOnStart: true,
  });
  const [start] = evaluations(events);
  expect(start).toMatchObject({ phase: "search", step: 0 });
  expect(Object.keys(start!.metrics).every((name) => name.startsWith("test_"))).toBe(true);
  const [shown] = toRuns([await readRunLog(output)]);
  expect(shown!.of("evaluation").map(({ step }) => step)).not.toContain(0);
});

test("it needs rows, and a resumed run does not repeat it", async () => {
  await expect(run({ evalOnStart: true })).rejects.toThrow("--eval-on-start needs rows to evaluate on");
  const before = await run({ method: "lora", validation, evalOnStart: true, saveEvery: 2 });
  const { rmSync } = await import("node:fs");
  for (const name of ["metrics.json", "checkpoint-4"]) rmSync(join(before.output, name), { recursive: true });
  const after = await run({
    method: "lora",
    validation,
    evalOnStart: true,
    saveEvery: 2,
    output: before.output,
    resume: true,
  });
  expect(evaluations(after.events).map(({ step }) => step)).toEqual([4]);
  const { events } = await readRunLog(before.output);
  expect(evaluations([...events]).map(({ step }) => step)).toEqual([0, 4]);
  expect(after.metrics).toEqual(before.metrics);
});

test("the done event has the metrics of the training rows' constant on all evaluated rows, also if some are held out", async () => {
  const rows = (labels: string) =>
    jsonl(...[...labels].map((label, i) => ({ sentence1: `text ${i}`, sentence2: "b", label })));
  const { events } = await run({
    ...{ method: "lora", maxSteps: 1, holdoutFraction: 0.5, shuffle: false },
    ...{ train: rows("aabbbb"), validation: rows("abaa"), test: rows("bbab") },
  });
  const done = events.find((event) => event.event === "done");
  expect(done?.majority).toMatchObject({ accuracy: 0.25, test_accuracy: 0.75 });
});

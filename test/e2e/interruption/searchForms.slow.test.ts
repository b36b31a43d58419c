import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { createProgress } from "../../../src/app/cli/progress.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { abortAfter, bytes, eventsIn, fresh, json, list, oneLayer, ROWS, run, stepsOf, write } from "../support.js";

const RANDOM = { method: "bidora", model: oneLayer(), dropout: 0.2, maxSteps: 6, seed: 3 } as const;
/** Rates at which the upper loss soon goes up again. */
const RESTLESS = { ...RANDOM, learningRate: 0.1, upperLearningRate: 0.1, maxSteps: 20, searchPatience: 1 } as const;

/** The results of a run that must not depend on interruptions. */
const results = (output: string) => ({
  adapter: bytes(output),
  side: json(join(output, "bidora.json")),
  steps: stepsOf(eventsIn(output)).map(({ seconds: _, time: __, ...rest }) => rest),
  files: list(output).filter((name) => !name.startsWith("checkpoint-")),
});

/** Compares runs that were interrupted after certain steps and resumed with an uninterrupted one. */
async function expectSameWherever(settings: RunSettings, places: (total: number) => readonly number[]) {
  const whole = await run(settings);
  for (const step of places(stepsOf(whole.events).length)) {
    const output = fresh();
    await run({ ...settings, output }, abortAfter(step));
    await run({ ...settings, output, resume: true });
    expect(results(output), `left after step ${step}`).toEqual(results(whole.output));
  }
}

describe("an interrupted and resumed search has the bits of an uninterrupted run", () => {
  test.each([
    { searchFolds: 3 },
    { searchFolds: 4, unrollSteps: 2, gradientAccumulation: 2, optimizer: "sgd" },
  ] as const)("interrupted after each of the first steps: %j", (more) =>
    expectSameWherever({ ...RANDOM, ...more, retrainSteps: 1 }, () => [1, 2, 3, 4, 5, 6]),
  );

  test("with a warm start, interrupted in both phases", () =>
    expectSameWherever({ ...RANDOM, warmStart: true }, () => [2, 6, 7, 9]));

  test("with --search-patience, interrupted after any step", () =>
    expectSameWherever({ ...RESTLESS, retrainSteps: 2 }, (total) => Array.from({ length: total }, (_, i) => i + 1)));

  test("with --search-patience, passes that end within a step, and a warm start", () => {
    const settings = { ...RESTLESS, warmStart: true, gradientAccumulation: 2, retrainSteps: 2 } as const;
    return expectSameWherever(settings, (total) => [1, 2, total - 3, total - 2, total - 1]);
  });
});

test("with --search-patience, early stopping applies to the retraining only", async () => {
  const validation = join(ROWS, "pairs.jsonl");
  const judged = {
    ...RESTLESS,
    validation,
    evalEvery: 1,
    earlyStopping: 1,
    retrainLearningRate: 0.3,
    retrainSteps: 12,
  } as const;
  const phasesOf = async (settings: RunSettings) => {
    const phases = stepsOf((await run(settings)).events).map(({ phase }) => phase);
    const [search, retrain] = (["search", "retrain"] as const).map(
      (which) => phases.filter((phase) => phase === which).length,
    );
    return { search: search as number, retrain: retrain as number };
  };
  const both = await phasesOf(judged);
  const { search } = await phasesOf({ ...RESTLESS, retrainSteps: 0 });
  expect(both.search).toBe(search);
  expect(both.retrain).toBeLessThan(12);
  await expectSameWherever(judged, (total) => [2, search, search + 1, total]);
});

test("a search that ends early: the start event has the planned steps, and step numbers are consecutive", async () => {
  const { output, events, notes } = await run({ ...RESTLESS, retrainSteps: 3 });
  expect(notes).toEqual([]);
  expect(events[0]).toMatchObject({ event: "start", steps: { search: 20, retrain: 3 } });
  const steps = stepsOf(events);
  const search = steps.filter(({ phase }) => phase === "search");
  expect(search.length).toBeLessThan(20);
  expect(steps.map(({ step }) => step)).toEqual(steps.map((_, i) => i + 1));
  expect(steps).toHaveLength(search.length + 3);
  expect(json(join(output, "bidora.json"))).toMatchObject({ search: { steps: search.length, retrainSteps: 3 } });
  expect(list(output)).toEqual(expect.arrayContaining(["report.html", "metrics.json"]));

  let shown = "";
  const progress = createProgress({ write: (text) => (shown += text) }, () => 0);
  for (const event of events) progress(event);
  expect(shown).toContain("retrain 1/3");
  expect(shown).toContain("retrain 3/3");
});

test("--search-folds overrides the searchFraction of a run.yaml", async () => {
  const { output } = await run({ ...RANDOM, searchFraction: 0.6, retrainSteps: 0 });
  const { output: folded } = await run({ ...RANDOM, searchFolds: 3, retrainSteps: 0 });
  const [plain, inFolds] = [output, folded].map((folder) =>
    Buffer.from(bytes(folder, "run.yaml"), "base64").toString(),
  );
  expect(plain).toContain("searchFraction: 0.6");
  expect(plain).not.toContain("searchFolds");
  expect(inFolds).toContain("searchFolds: 3");
  expect(inFolds).not.toContain("searchFraction");
  expect(bytes(folded)).not.toBe(bytes(output));
});

test("more folds than rows are refused, and no files are left", async () => {
  const train = write("rows.csv", "text,label\na,yes\nb,no\nc,no\n");
  const output = fresh();
  await expect(run({ ...RANDOM, train, output, searchFolds: 4 })).rejects.toThrow(
    "--search-folds 4 is more than the 3 training rows",
  );
  expect(list(output)).toEqual([]);
});

import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import type { BaselineScore, EvaluationEvent, FrozenPlan } from "../../../src/base/records/index.js";
import { bidora, eventsIn, fresh, json, jsonl, write } from "../support.js";
import { type Result, rows, small } from "./small.js";

const { file } = small();

test("--dry-run lists a grid's runs separately, and counts no more parallel jobs than runs", async () => {
  const output = fresh("expected-grid");
  const flags = { methods: ["lora"], grid: ["learningRate=0,1e-3"], epochs: 2, jobs: 8, output, dryRun: true };
  const outcome = await compare({
    ...flags,
    runFile: write("epochs.yaml", readFileSync(file, "utf8").replace(/maxSteps.*\n/, "")),
  });
  if (outcome.kind !== "expected") throw new Error(outcome.kind);
  const [tried, counted, ...more] = outcome.costs.pairs;
  // Four fifths of 20 rows in batches of 4, and all of them.
  expect(tried).toMatchObject({ isOfGrid: true, runs: 2, steps: 8 });
  expect(counted).toMatchObject({ isOfGrid: false, runs: 1, steps: 10 });
  expect(more).toEqual([]);
  expect(outcome.costs.seconds).toBe(tried!.seconds + counted!.seconds);
  expect(outcome.costs.peakMemoryBytes).toBe(2 * tried!.peakMemoryBytes);
  expect(outcome.text).toMatch(/^lora \(tune\)/m);
}, 100_000);

test("with test rows, their metrics are reported, and all outputs name the test split", async () => {
  const output = fresh("tested");
  const flags = { methods: ["lora", "dora"], test: jsonl(...rows(7)), output, maxSteps: 1 };
  const outcome = await compare({ ...flags, runFile: file });
  if (outcome.kind !== "compared") throw new Error(outcome.kind);
  const { tasks, tests, runs, baselines } = json<Result & { tasks: object[]; baselines: BaselineScore[] }>(
    join(output, "comparison.json"),
  );
  expect(tasks).toMatchObject([
    {
      metrics: [{ name: "test_accuracy" }, { name: "test_macroF1" }],
      rows: { split: "test", count: 7 },
      beside: { rows: { split: "validation" }, metrics: [{ name: "accuracy" }] },
    },
  ]);
  expect(tests.map(({ metric }) => metric)).toEqual(tests.map(() => "test_accuracy"));
  expect(tests.find(({ test }) => test === "bootstrap")?.pairs).toBe(7);
  // The first 7 rows have alpha three times, as many training rows have alpha as beta.
  const majority = baselines.filter(({ baseline, metric }) => baseline === "majority" && metric === "test_accuracy");
  expect(majority).toEqual([expect.objectContaining({ task: "sequence-classification", value: 3 / 7 })]);
  const starts = runs.flatMap(({ method, seed }) =>
    eventsIn(join(output, "sequence-classification", method, `seed-${seed}`)).filter(
      (event) => event.event === "evaluation" && event.step === 0,
    ),
  );
  expect(starts).toHaveLength(2);
  const start = baselines.filter(({ baseline, metric }) => baseline === "start" && metric === "test_accuracy");
  const values = starts.map((event) => (event as EvaluationEvent).metrics.test_accuracy!);
  expect(start.map(({ value }) => value)).toEqual([(values[0]! + values[1]!) / 2]);
  expect(outcome.text).toMatch(/^majority +0\.4286 +0\.2000 +– +–/m);
  for (const name of ["comparison.md", "comparison.tex", "report.html"]) {
    const text = readFileSync(join(output, name), "utf8");
    expect(text).toContain("sequence-classification (test, 7 rows)");
    expect(text).toMatch(/Accuracy \(validation, \d+ rows\)/);
  }
}, 100_000);

test("settings that would invalidate the results are refused before the first run", async () => {
  const notes: string[] = [];
  const call = (flags: object) => {
    const output = fresh("refused");
    return compare({ runFile: file, output, ...flags }, { onNote: (line) => notes.push(line) }).finally(() =>
      expect(existsSync(join(output, "sequence-classification"))).toBe(false),
    );
  };
  const early = { methods: ["lora", "lora+es"], earlyStopping: 2, evalEvery: 1 };
  await expect(call(early)).rejects.toThrow(
    "--early-stopping would stop lora by the validation rows that the results are reported on",
  );
  await expect(call({ labelColumn: ["kind"], dryRun: true })).rejects.toThrow("has no column kind");
  const bare = write("bare.yaml", readFileSync(file, "utf8").replace(/^validation:.*\n/m, ""));
  const listed = await bidora("compare", bare, "--output", fresh("bare"), "--list");
  expect([listed.status, listed.stderr]).toEqual([2, expect.stringContaining("neither validation nor test rows")]);
  expect(notes).toEqual([]);
}, 100_000);

test("a missing file of rows is reported before the first run", async () => {
  const notes: string[] = [];
  const call = compare(
    { runFile: file, validation: "no-such.jsonl", output: fresh("no-rows") },
    {
      onNote: (line) => notes.push(line),
    },
  );
  await expect(call).rejects.toThrow(
    "No run was started. sequence-classification: There is no no-such.jsonl, which --validation names.",
  );
  expect(notes).toEqual([]);
});

const planned = { runFile: file, methods: ["lora"], maxSteps: 1 };

test("a plan that was changed, or is another than the runs have, is refused", async () => {
  const [folder, output] = [fresh("plans"), fresh("frozen")];
  const [plan, other] = [join(folder, "plan.json"), join(folder, "other.json")];
  await compare({ ...planned, freeze: plan, dryRun: true, output });
  const { sha256, ...found } = json<FrozenPlan>(plan);
  expect(found).toMatchObject({ methods: ["lora"], seeds: [0], begun: [], tasks: [{ metric: "accuracy" }] });
  expect(json<FrozenPlan>(join(output, "comparison-frozen.json"))).toEqual({ sha256, ...found });
  await compare({ ...planned, freeze: other, seeds: [5], dryRun: true, output: fresh("elsewhere") });
  await expect(compare({ ...planned, freeze: other, dryRun: true, output })).rejects.toThrow(
    /have the frozen plan .*, and --freeze/,
  );
  writeFileSync(plan, readFileSync(plan, "utf8").replace('"lora"', '"dora"'));
  await expect(compare({ ...planned, freeze: plan, dryRun: true, output })).rejects.toThrow(
    /is not a plan as --freeze wrote it/,
  );
  const missing = join(folder, "missing.json");
  await expect(compare({ ...planned, freeze: missing, collect: true, output })).rejects.toThrow("missing.json");
  expect(existsSync(missing)).toBe(false);
}, 100_000);

test("a sentence and short tables are printed, with --verbose all tables; --overwrite replaces the runs", async () => {
  const output = fresh("replaced");
  const call = async (flags: object) => {
    const outcome = await compare({ runFile: file, methods: ["lora", "dora"], seeds: [0, 1], output, ...flags });
    if (outcome.kind !== "compared") throw new Error(outcome.kind);
    return outcome;
  };
  const run = join(output, "sequence-classification/dora/seed-1");
  const short = (await call({})).text;
  const sentence = short.slice(0, short.indexOf("\n\n"));
  expect(sentence).toMatch(/^(lora|dora) 0\.\d{3}.*, (lora|dora) 0\.\d{3}.*: no difference shown \(/s);
  expect(short).not.toContain("p (Holm)");
  for (const name of ["comparison.md", "report.html"])
    expect(readFileSync(join(output, name), "utf8").replaceAll("\\", "")).toContain(sentence.replaceAll("\n", " "));
  const { text } = await call({ collect: true, verbose: true });
  expect(text.startsWith(`${sentence}\n\n`)).toBe(true);
  expect(text).toContain("p (Holm)");

  writeFileSync(join(output, "mine.txt"), "");
  writeFileSync(`${run}.log`, "");
  await call({ methods: ["lora"], seeds: [0], overwrite: true });
  expect([run, `${run}.log`, join(run, ".."), join(output, "mine.txt")].map(existsSync)).toEqual([
    ...[false, false, false, true],
  ]);
  await expect(call({ overwrite: true, train: join(output, "mine.txt") })).rejects.toThrow(
    "cannot be replaced, because",
  );
  await expect(call({ overwrite: true, collect: true })).rejects.toThrow("--overwrite");
  await expect(call({ verbose: true, list: true })).rejects.toThrow("--verbose");
}, 100_000);

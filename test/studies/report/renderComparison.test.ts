import { mkdir, mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import { type ComparisonLog, readComparison } from "../../../src/base/records/comparisonFolder.js";
import { pairDifferences } from "../../../src/studies/report/figures/pairedDifferences.js";
import { renderComparison } from "../../../src/studies/report/renderComparison.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { bootstrapTest, wilcoxonTest } from "../statistics/sampleTests.js";
import { all, parse, texts } from "./page.js";
import { sampleRun } from "./sampleRuns.js";

const METHODS = ["lora", "dora", "bidora"] as const;
const ACCURACY = { lora: 0.8, dora: 0.82, bidora: 0.85 };

/** Made-up runs: each seed adds a hundredth, and bidora's loss is the least. */
function comparison(tasks: readonly string[], seeds: number, steps = 20): ComparisonLog {
  const runs = tasks.flatMap((task) =>
    METHODS.flatMap((method) =>
      Array.from({ length: seeds }, (_, seed) => ({
        task,
        method,
        seed,
        metrics: { accuracy: ACCURACY[method] + seed / 100, loss: 1 - ACCURACY[method] },
        trainedParameters: 1000,
        seconds: 10 + seed,
        peakMemoryBytes: 2 ** 30,
        log: {
          ...sampleRun({ name: `${seed}`, method, steps, settings: { seed, rank: 8 } }),
          name: `${task} ${method} seed ${seed}`,
        },
      })),
    ),
  );
  const main = { name: "accuracy", goal: "maximize" } as const;
  const compared = {
    tasks: tasks.map((name): ComparisonLog["tasks"][number] => ({
      name,
      metrics: [main, { name: "loss", goal: "minimize" }],
    })),
    methods: [...METHODS],
    runs,
  };
  const conditions = { seeds: [0, 1], jobs: 1, budget: { of: "steps", amount: 20 } };
  return {
    name: "cmp",
    ...compared,
    tests: significance(compared),
    reached: [],
    failed: [],
    unfinished: [],
    conditions,
  };
}

it("a method without started runs is left out of the table of differing settings", () => {
  const found = comparison(["mrpc"], 2);
  const settings = (log: ComparisonLog) => texts(parse(renderComparison(log)), "#settings table:first-of-type tr");
  expect(settings({ ...found, methods: [...found.methods, "adapter"] })).toEqual(settings(found));
});

describe("a comparison on one task", () => {
  const found = comparison(["mrpc"], 2);
  const source = renderComparison(found);
  const page = parse(source);

  it("a comparison's page links to each of its parts", () => {
    expect(texts(page, "h2")).toEqual([
      "Result",
      "Scores and costs",
      "Paired differences",
      "Significance",
      "Score and cost",
      "Training loss",
      "Validation",
      "Generalization gap",
      "Search: the two levels",
      "Movement of the magnitudes",
      "Learning rate",
      "Conditions",
      "Settings",
      "Rows, machine and versions",
    ]);
    expect(texts(page, "nav a")).toEqual(texts(page, "h2"));
    expect(texts(page, "h1")).toEqual(["Comparison cmp"]);
  });

  it("the best score is bold, and marked for screen readers", () => {
    const rows = all(page, "#scores tbody tr").map((row) => texts(row, "th, td").slice(0, 3));
    expect(rows[2]).toEqual(["bidora", "0.8550 ± 0.0071 (best)", "0.1500 ± 0.0000 (best)"]);
    expect(texts(page, "#scores strong")).toEqual(["0.8550 ± 0.0071", "0.1500 ± 0.0000"]);
    expect(all(page, "#scores thead th").map((head) => head.getAttribute("scope"))).toEqual(Array(6).fill("col"));
    expect(texts(page, "#significance .note").join(" ")).toContain("Too few: ");
  });

  it("each method has a mean curve with a band, and no curve for each run", () => {
    const lines = all(page, "#training-loss .wide [data-mark=line]");
    expect(lines.map((line) => line.getAttribute("stroke"))).toEqual(["var(--run-0)", "var(--run-1)", "var(--run-2)"]);
    expect(all(page, "#training-loss .wide [data-mark=area] path")).toHaveLength(4);
    expect(texts(page, "#training-loss details tbody td")[0]).toBe("train, search");
    expect(texts(page, "#training-loss details tbody td")[1]).toMatch(/^0\.\d{4} ± 0\.\d{4}$/);
  });

  it("the page has the conditions and the settings of each method", () => {
    expect(texts(page, "#conditions dl div")).toContain("Budget of each run20 steps");
    expect(texts(page, "#settings thead th")).toEqual(["lora", "dora", "bidora"]);
    expect(texts(page, "#settings tbody th")).not.toContain("seed");
    expect(texts(page, "#settings dl div")).toContain("rank8");
  });

  it("the page is self-contained and has no NaN", () => {
    expect(source).not.toMatch(/https?:|url\(|@import|\bsrc=|\bhref="[^#]/);
    expect(source).not.toMatch(/NaN|undefined|Infinity|\[object/);
  });
});

describe("differences of pairs", () => {
  const found = comparison(["mrpc"], 2);
  const [task] = found.tasks;

  it("differences are first method minus second, for each seed", () => {
    const pairs = pairDifferences(found, task!);
    expect(pairs.map(({ pair }) => pair)).toEqual(["lora – dora", "lora – bidora", "dora – bidora"]);
    expect(pairs[1]!.seeds.map(({ seed }) => seed)).toEqual(["seed 0", "seed 1"]);
    for (const { difference } of pairs[1]!.seeds) expect(difference).toBeCloseTo(0.8 - 0.85, 12);
  });

  it("differences are above 0 if the first method is better, also for metrics where less is better", () => {
    const loss = { name: "mrpc", metrics: [{ name: "loss", goal: "minimize" }] } as const;
    const tests = [bootstrapTest({ a: "lora", b: "bidora", metric: "loss", low: -0.09, high: -0.01, task: "mrpc" })];
    const [, pair] = pairDifferences({ ...found, tests }, { ...loss, metrics: [...loss.metrics] });
    expect(pair!.seeds[0]!.difference).toBeCloseTo(-0.05, 12);
    expect(pair!.interval).toEqual([-0.09, -0.01]);
  });

  it("differences use the seeds that both methods have", () => {
    const fewer = { ...found, runs: found.runs.filter(({ method, seed }) => method !== "dora" || seed === 1) };
    expect(pairDifferences(fewer, task!)[0]!.seeds.map(({ seed }) => seed)).toEqual(["seed 1"]);
    const none = { ...found, runs: found.runs.filter(({ method, seed }) => method !== "dora" || seed === 7) };
    expect(pairDifferences(none, task!).map(({ pair }) => pair)).toEqual(["lora – bidora"]);
  });

  it("with many methods, only pairs with the first one are shown", () => {
    const methods = Array.from({ length: 8 }, (_, i) => `m${i}`);
    const runs = methods.map((method) => ({ ...found.runs[0]!, method, log: undefined }));
    expect(pairDifferences({ methods, runs, tests: [] }, task!)).toHaveLength(7);
  });
});

it("each task has its own figures, and the page stays small with forty runs and long curves", () => {
  const tasks = ["mrpc", "a/b <c>", "a/b (c)"];
  const found = comparison(tasks, 5, 2000);
  const source = renderComparison(found);
  expect(source.length).toBeLessThan(5e6);
  const page = parse(source);
  const ids = all(page, "[id]").map(({ id }) => id);
  expect(new Set(ids).size).toBe(ids.length);
  for (const link of all(page, "nav a")) expect(ids).toContain(link.getAttribute("href")!.slice(1));
  expect(texts(page, "h2").filter((title) => title.endsWith(": Training loss"))).toEqual(
    tasks.map((task) => `${task}: Training loss`),
  );
  const parts = all(page, "main > details.part");
  expect(texts(page, "main > details.part > summary")).toEqual(tasks.map((task) => `${task}: costs and curves`));
  expect(parts.map((part) => all(part, "figure").length)).toEqual([7, 7, 7]);
  expect(texts(page, "nav a")).toEqual([
    "Result",
    "Scores and costs",
    "Paired differences",
    "Significance",
    ...tasks.map((task) => `${task}: costs and curves`),
    "Conditions",
    "Settings",
    "Rows, machine and versions",
  ]);
  const regions = all(page, "[role=region]").map((region) => region.getAttribute("aria-label"));
  expect(regions.filter((name, i) => regions.indexOf(name) !== i)).toEqual([]);
});

it("a long table is collapsed under its caption, and its notes stay visible", () => {
  const found = comparison(["mrpc", "rte", "cola"], 2, 5);
  const tests = Array.from({ length: 4 }, () => found.tests).flat();
  const page = parse(renderComparison({ ...found, tests }));
  expect(texts(page, "#significance > details > summary")).toEqual([
    `Tests of each pair of methods (${tests.length} rows)`,
  ]);
  expect(tests.length).toBeGreaterThan(30);
  expect(all(page, "#significance > .note").length).toBeGreaterThan(0);
  expect(all(page, "#scores > details")).toEqual([]);
});

it("mean curves end at the last common step, and runs without a log are left out", () => {
  const found = comparison(["mrpc"], 2);
  const runs = found.runs.map((run) =>
    run.method === "dora" && run.seed === 1
      ? {
          ...run,
          log: { ...run.log!, events: run.log!.events.filter((event) => !("step" in event) || event.step <= 10) },
        }
      : run.method === "lora"
        ? { ...run, log: undefined }
        : run,
  );
  const page = parse(renderComparison({ ...found, runs }));
  expect(texts(page, ".alert")[0]).toContain("mrpc lora seed 0, mrpc lora seed 1");
  expect(texts(page, "#scores tbody th")).toEqual(["lora", "dora", "bidora"]);
  const line = texts(page, "#training-loss .wide svg > desc")[0]!;
  expect(line).not.toContain("lora from 0");
  expect(line).toMatch(/^dora from .* at step 10; bidora/);
  const none = parse(renderComparison({ ...found, runs: runs.map((run) => ({ ...run, log: undefined })) }));
  expect(texts(none, "h2")).toEqual([
    "Result",
    "Scores and costs",
    "Paired differences",
    "Significance",
    "Score and cost",
    "Conditions",
  ]);
});

it("the page shows each point that was tried with its score and time, and the chosen one", () => {
  const found = comparison(["mrpc"], 1);
  const tried = { task: "mrpc", method: "lora", seed: 0, score: 0.75, seconds: 65, chosen: false };
  const tuning = [
    { ...tried, point: { rank: 4 }, chosen: true },
    { ...tried, method: "dora", point: { rank: 4, xi: "learning-rate" } },
    { ...tried, point: { rank: 8 }, score: null, seconds: null, reason: "it diverged" },
  ];
  const page = parse(renderComparison({ ...found, tuning, conditions: { ...found.conditions, grid: [{ rank: 4 }] } }));
  expect(texts(page, "#conditions .note")[0]).toContain("The 3 runs of the tuning, with seed 0, scored");
  expect(texts(page, "#conditions tbody tr")).toEqual([
    "loramrpcrank=40.75001 min 5 syes",
    "doramrpcrank=4, xi=learning-rate0.75001 min 5 s",
    "loramrpcrank=8it diverged–",
  ]);
  expect(texts(page, "#scores thead th")).toContain("Points tried");
  expect(texts(parse(renderComparison(found)), "#conditions table")).toEqual([]);
});

it("the page draws the scores of each method over the curve's setting, on a logarithmic axis, with the numbers", () => {
  const found = comparison(["mrpc"], 1);
  const at = (value: number, mean: number | null, best: number | null) => ({
    ...{ value, mean, deviation: mean === null ? null : 0.01, diverged: mean === null ? 1 : 0, best },
  });
  const metric = { name: "accuracy", goal: "maximize" } as const;
  const one = { task: "mrpc", setting: "learningRate", metric, seeds: [0, 1], optimism: 0.0025 };
  const curves = [
    { ...one, method: "lora", points: [at(1e-4, 0.5, 0), at(1e-3, 0.75, 1), at(1e-2, null, 0)], best: 1e-3 },
    { ...one, method: "dora", points: [at(1e-4, 0.5, 0.25), at(1e-3, 0.625, 0.75), at(1e-2, 0.5, 0)], best: 1e-3 },
  ];
  const waiting = {
    task: "mrpc",
    method: "lora",
    seed: 2,
    point: { learningRate: 1e-4 },
    metrics: null,
    seconds: null,
  };
  const page = parse(renderComparison({ ...found, curves, curve: [{ ...waiting, reason: "waiting" }] }));
  const figure = "#curve-learningRate";
  expect(texts(page, `${figure} h2`)).toEqual(["Accuracy over learningRate"]);
  expect(texts(page, `${figure} .wide svg > desc`)).toEqual([
    "lora best at 0.001: 0.7500; dora best at 0.001: 0.6250.",
  ]);
  expect(texts(page, `${figure} .wide svg [data-mark="x-axis tick label"] text`)).toEqual(["0.0001", "0.001", "0.01"]);
  const places = all(page, `${figure} .wide svg [data-mark="dot"]`)[1]!.querySelectorAll("path");
  const x = [...places].map((dot) => Number(/translate\(([\d.]+)/.exec(dot.getAttribute("transform")!)![1]));
  expect(x).toHaveLength(3);
  expect(x[1]! - x[0]!).toBeCloseTo(x[2]! - x[1]!, 0);
  expect(texts(page, `${figure} tbody tr`)).toEqual([
    "lora0.5000 ± 0.01000.7500 ± 0.0100 (best)diverged 10.0010.001 100 %0.00252",
    "dora0.5000 ± 0.01000.6250 ± 0.0100 (best)0.5000 ± 0.01000.0010.0001 25 %, 0.001 75 %0.00252",
  ]);
  expect(texts(page, `${figure} figcaption`)[0]).toMatch(/judges nothing.*Runs of the curve without results: 1/);
  expect(texts(parse(renderComparison(found)), figure)).toEqual([]);
});

describe("a comparison's folder", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "cmp-"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const write = (value: unknown) => writeFile(join(folder, "comparison.json"), JSON.stringify(value));

  it("readComparison returns the file with the logs of existing runs", async () => {
    const { runs, name: _name, ...rest } = comparison(["mrpc"], 1);
    await write({ ...rest, runs: runs.map(({ log: _log, ...run }) => run), summary: [] });
    const at = join(folder, "mrpc", "dora", "seed-0");
    await mkdir(at, { recursive: true });
    await writeFile(join(at, "events.jsonl"), runs[1]!.log!.events.map((event) => JSON.stringify(event)).join("\n"));
    const found = await readComparison(folder);
    expect(found.runs.map(({ log }) => log?.name)).toEqual([undefined, "mrpc dora seed 0", undefined]);
    const [task] = rest.tasks;
    await write({ ...rest, tasks: [{ ...task, title: "m/r p&c" }], runs: runs.map(({ log: _log, ...run }) => run) });
    const titled = await readComparison(folder);
    expect(titled.runs.map(({ log }) => log?.name)).toEqual([undefined, "m/r p&c dora seed 0", undefined]);
    expect(new Set([...titled.runs, ...titled.tests].map((one) => one.task).filter(Boolean))).toEqual(
      new Set(["m/r p&c"]),
    );
    expect(renderComparison(found)).toContain("<h1>Comparison cmp-");
  });

  it("failed and unfinished runs have the task name that the user gave", async () => {
    const { runs, name: _name, ...rest } = comparison(["mrpc"], 2);
    const [task] = rest.tasks;
    const failed = [{ task: "mrpc", method: "bidora", seed: 1, reason: "it diverged" }];
    const unfinished = [{ task: "mrpc", method: "dora", seed: 1, state: "stopped" }];
    const left = runs.filter(({ method, seed }) => method === "lora" || seed === 0);
    await write({
      ...rest,
      tests: [wilcoxonTest({ tasks: ["mrpc"] })],
      ...{ failed, unfinished, tasks: [{ ...task, title: "m/r p&c" }] },
      runs: left.map(({ log: _log, ...run }) => run),
    });
    const found = await readComparison(folder);
    expect(found.tests).toMatchObject([{ tasks: ["m/r p&c"] }]);
    const page = parse(renderComparison(found));
    const rows = all(page, "#scores tbody tr").map((row) => texts(row, "th, td").slice(0, 2));
    expect(rows[2]).toEqual(["bidora", "0.8500 (n = 1 of 2, 1 failed)"]);
    expect(texts(page, "#scores .note").join(" ")).toContain("bidora failed in 1 of 2 runs on m/r p&c. Seed 1");
    expect(texts(page, "#scores .note").join(" ")).toContain("dora seed 1 on m/r p&c (stopped)");
  });

  it("readComparison reads no log outside the folder", async () => {
    const { runs, name: _name, ...rest } = comparison(["mrpc"], 1);
    const [{ log: _log, ...run }] = runs as [(typeof runs)[0]];
    const out = { ...run, method: ".." };
    await write({ ...rest, methods: [".."], runs: [out], tests: [] });
    await mkdir(join(folder, "seed-0"));
    await writeFile(join(folder, "seed-0", "events.jsonl"), JSON.stringify(runs[0]!.log!.events[0]));
    expect((await readComparison(folder)).runs[0]!.log).toBeUndefined();
  });

  it("readComparison refuses a file of another form", async () => {
    await expect(readComparison(folder)).rejects.toMatchObject({ code: "COMPARISON" });
    await write({ runs: [], summary: [], tests: [], conditions: {} });
    await expect(readComparison(folder)).rejects.toThrow("tasks: ");
    await write([]);
    await expect(readComparison(folder)).rejects.toThrow("compare --collect");
  });
});

import { execFileSync } from "node:child_process";
import {
  appendFileSync,
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import type { ComparisonFile, FrozenPlan } from "../../../src/base/records/index.js";
import { secondsWithJobs } from "../../../src/studies/comparison/plan/estimates.js";
import { bidora, changed, fresh, json, spawned, write } from "../support.js";
import { type Result, small } from "./small.js";

const { file, train, validation } = small();

describe("the plan of a comparison", () => {
  const output = fresh("comparison");
  let result: Result;
  let notes: string[];

  const call = async (flags: object = {}) => {
    notes = [];
    const settings = { methods: ["lora", "dora+es"], seeds: [0, 1], output, jobs: 2, ...flags };
    return compare({ ...settings, runFile: file }, { onNote: (line) => notes.push(line) });
  };

  beforeAll(async () => {
    const outcome = await call();
    if (outcome.kind !== "compared") throw new Error(outcome.kind);
    result = json(join(output, "comparison.json"));
    expect(outcome.result).toEqual(result);
  }, 200_000);

  test("writes each run to its own folder and reports progress", () => {
    const folders = ["lora/seed-0", "lora/seed-1", "dora+es/seed-0", "dora+es/seed-1"];
    for (const folder of folders)
      expect(existsSync(join(output, "sequence-classification", folder, "adapter_model.safetensors"))).toBe(true);
    expect(notes.length).toBe(4);
    expect(notes[3]).toMatch(/^4\/4 sequence-classification (lora|dora\+es) seed [01]: accuracy \d/);
  });

  test("writes a summary with means, deviations and tests", () => {
    expect(result.runs.length).toBe(4);
    for (const run of result.runs)
      expect(run).toMatchObject({
        task: "sequence-classification",
        trainedParameters: expect.any(Number),
        seconds: expect.any(Number),
        peakMemoryBytes: expect.any(Number),
        metrics: { accuracy: expect.any(Number), loss: expect.any(Number) },
      });
    const of = (method: string) => result.runs.filter((run) => run.method === method);
    const [a, b] = of("lora").map(({ metrics }) => metrics.accuracy as number) as [number, number];
    const entry = result.summary.find(({ method, metric }) => method === "lora" && metric === "accuracy");
    expect(entry).toMatchObject({ mean: expect.closeTo((a + b) / 2, 12), n: 2 });
    expect(entry?.deviation).toBeCloseTo(Math.abs(a - b) / Math.SQRT2, 12);
    expect(result.tests.map(({ a, b, test, task }) => [a, b, test, task])).toEqual([
      ["lora", "dora+es", "two-level", "sequence-classification"],
      ["lora", "dora+es", "two-level", "sequence-classification"],
      ["lora", "dora+es", "wilcoxon", "sequence-classification"],
      ["lora", "dora+es", "bootstrap", "sequence-classification"],
    ]);
    expect(result.tests[1]?.pairs).toBe(9);
    const [{ metrics }] = of("dora+es") as [Result["runs"][number]];
    expect(metrics).toHaveProperty("holdout_accuracy");
  });

  test("writes tables and a report", () => {
    expect(readFileSync(join(output, "comparison.md"), "utf8")).toMatch(/\| *lora *\|/);
    expect(readFileSync(join(output, "comparison.tex"), "utf8")).toContain("\\toprule");
    expect(readFileSync(join(output, "report.html"), "utf8")).toContain("<svg");
  });

  test("keeps finished runs and does the missing ones", async () => {
    const kept = join(output, "sequence-classification/lora/seed-0/metrics.json");
    const before = statSync(kept).mtimeMs;
    rmSync(join(output, "sequence-classification/lora/seed-1"), { recursive: true });
    await call();
    expect(statSync(kept).mtimeMs).toBe(before);
    expect(notes).toEqual(["3 of 4 runs are there already.", expect.stringMatching(/^1\/1 .* lora seed 1: accuracy/)]);
    const again = json<Result>(join(output, "comparison.json"));
    expect(again.runs.map(({ metrics }) => metrics)).toEqual(result.runs.map(({ metrics }) => metrics));
  }, 100_000);

  test("is not collected from runs of one method that were made with other numbers of processes", async () => {
    const copy = fresh("mixed");
    cpSync(output, copy, { recursive: true });
    const log = join(copy, "sequence-classification/lora/seed-1/events.jsonl");
    writeFileSync(
      log,
      readFileSync(log, "utf8").replace('"processes":1,"rowsPerStep":4', '"processes":2,"rowsPerStep":8'),
    );
    const mixed = /lora.seed-0 and \S+lora.seed-1 are runs of lora under different conditions \(Processes: 1 and 2\)/;
    await expect(compare({ collect: true, output: copy })).rejects.toThrow(mixed);
    rmSync(join(copy, "sequence-classification/lora/seed-0"), { recursive: true });
    // a run that would be refused at the end is refused before it is made
    await expect(call({ output: copy })).rejects.toThrow(/different conditions \(Processes: 2 and 1\)/);
    expect(existsSync(join(copy, "sequence-classification/lora/seed-0"))).toBe(false);
  });

  test("is not continued with other settings or other rows", async () => {
    await expect(call({ batchSize: 8 })).rejects.toThrow(
      /lora\/seed-0 was started with other settings or data \(batchSize 4, now 8\): name another --output/,
    );
    appendFileSync(validation, `${JSON.stringify({ sentence1: "x", sentence2: "y", label: "beta" })}\n`);
    await expect(call()).rejects.toThrow(`the content of ${validation}`);
  });

  test("is collected from the existing folders", async () => {
    const outcome = await call({ collect: true, methods: ["dora+es", "lora"] });
    if (outcome.kind !== "compared") throw new Error(outcome.kind);
    expect(outcome.text.indexOf("dora+es")).toBeLessThan(outcome.text.indexOf("lora "));
    const again = await call({ collect: true, seeds: [1] });
    if (again.kind !== "compared") throw new Error(again.kind);
    expect(again.result.conditions).toMatchObject({ seeds: [0, 1] });
    await expect(call({ collect: true, output: fresh("nothing") })).rejects.toThrow("There is no finished run");
  });

  test("is collected with what is missing, which takes a method out of the tests, with or without the plan and the file", async () => {
    const copy = fresh("gaps");
    cpSync(output, copy, { recursive: true });
    rmSync(join(copy, "sequence-classification/lora/seed-0/metrics.json"));
    const gap = { task: "sequence-classification", method: "lora", seed: 0, state: "stopped" };
    const collected = async (given: object) => {
      const outcome = await compare({ collect: true, output: copy, ...given });
      if (outcome.kind !== "compared") throw new Error(outcome.kind);
      return outcome;
    };
    const named = { runFile: file, methods: ["lora", "dora+es"], seeds: [0, 1] };
    for (const given of [named, { runFile: file }, {}]) {
      const { result, text } = await collected(given);
      expect(result).toMatchObject({ unfinished: [gap], tests: [] });
      expect(text).toMatch(/^lora +\S+ \(n = 1 of 2, 1 missing/m);
    }
    rmSync(join(copy, "comparison-plan.json"));
    rmSync(join(copy, "sequence-classification/lora/seed-0"), { recursive: true });
    expect((await collected({})).result).toMatchObject({ unfinished: [{ ...gap, state: "missing" }], tests: [] });
    const { unfinished } = (await collected({ methods: ["lora", "vera"] })).result;
    expect(unfinished.map(({ method, seed }) => `${method} ${seed}`)).toEqual(["lora 0", "vera 0", "vera 1"]);
  });

  test("is not collected from runs that were put in place of others", async () => {
    const [lora, dora] = ["lora", "dora"].map((method) => join(output, "sequence-classification", method, "seed-0"));
    cpSync(lora as string, dora as string, { recursive: true });
    await expect(call({ collect: true })).rejects.toThrow(/dora.seed-0 is not a run .*did not start it/);
    rmSync(join(dora as string, ".."), { recursive: true });
    const [one, other] = [0, 1].map((seed) =>
      join(output, "sequence-classification", "lora", `seed-${seed}`, "run.yaml"),
    );
    const before = readFileSync(other as string);
    writeFileSync(other as string, readFileSync(one as string));
    await expect(call({ collect: true })).rejects.toThrow("has seed 0, the plan has 1");
    writeFileSync(other as string, before);
  });
});

test("a comparison is not continued with a model that has changed", async () => {
  const [output, model] = [fresh("changed-model"), changed("bert/single", "config.json", {})];
  const call = () => compare({ runFile: file, methods: ["lora"], model, maxSteps: 1, output });
  await call();
  writeFileSync(join(model, "config.json"), `${readFileSync(join(model, "config.json"), "utf8")} `);
  await expect(call()).rejects.toThrow(
    /seed-0 was started with other settings or data \(the content of .*config\.json\)/,
  );
}, 100_000);

test("a grid is evaluated on held-out rows, and its best point is trained on all rows", async () => {
  const output = fresh("grid");
  const flags = { methods: ["lora"], grid: ["learningRate=0,0.05"], output, maxSteps: 6 };
  const notes: string[] = [];
  const outcome = await compare({ ...flags, runFile: file }, { onNote: (line) => notes.push(line) });
  if (outcome.kind !== "compared") throw new Error(outcome.kind);
  // Until the choice is made, no note shows a score on the rows that are reported.
  expect(notes.map((line) => /(\w+) [\d.]+(;|$)/.exec(line)?.[1])).toEqual([
    ...["holdout_accuracy", "holdout_accuracy"],
    "accuracy",
  ]);
  const scores = [0, 0.05].map((rate) => {
    const folder = join(output, `sequence-classification/lora/grid/learningRate=${rate}`);
    return json<Record<string, number>>(join(folder, "metrics.json")).holdout_accuracy as number;
  });
  const best = (scores[1] as number) > (scores[0] as number) ? 0.05 : 0;
  const run = readFileSync(join(output, "sequence-classification/lora/seed-0/run.yaml"), "utf8");
  expect(run).toContain(`learningRate: ${best}\n`);
  expect(run).not.toContain("holdoutFraction");
  // Runs of the grid are none of the comparison's.
  expect((outcome.result.runs as Result["runs"]).length).toBe(1);
  expect(outcome.result.tuning).toEqual(
    [0, 0.05].map((learningRate, i) => ({
      ...{ task: "sequence-classification", method: "lora", seed: 0, point: { learningRate }, score: scores[i] },
      ...{ seconds: expect.any(Number), chosen: learningRate === best },
      ...(scores[0] === scores[1] && learningRate === best && { tied: 2 }),
    })),
  );
  expect(outcome.text).toMatch(/ s \+ [\d.]+ s tuning/);
  expect(readFileSync(join(output, "report.html"), "utf8")).toContain("learningRate=0.05");
}, 200_000);

test("a curve is trained at every value with every seed, kept, counted, and in all files", async () => {
  const output = fresh("curve");
  const flags = {
    methods: ["lora"],
    seeds: [0, 1],
    curve: ["learningRate=0.01,1e30"],
    output,
    maxSteps: 4,
    runFile: file,
  };
  const dry = await compare({ ...flags, dryRun: true });
  if (dry.kind !== "expected") throw new Error(dry.kind);
  expect(dry.costs.pairs.map(({ isOfCurve, runs, steps }) => [isOfCurve, runs, steps])).toEqual([
    [false, 2, 4],
    [true, 4, 4],
  ]);
  expect(dry.text).toMatch(/^lora \(curve\) +\S+ +4 /m);
  const listed = await compare({ ...flags, list: true });
  if (listed.kind !== "listed") throw new Error(listed.kind);
  expect(listed.commands.filter((line) => line.includes("/curve/learningRate=1e+30/seed-"))).toHaveLength(2);
  const outcome = await compare(flags);
  if (outcome.kind !== "compared") throw new Error(outcome.kind);
  const { curve, curves, runs } = outcome.result;
  expect(runs).toHaveLength(2);
  expect(
    curve?.map(({ seed, point, metrics, diverged }) => [seed, point.learningRate, metrics !== null, diverged]),
  ).toEqual([
    ...[
      [0, 0.01, true, undefined],
      [1, 0.01, true, undefined],
    ],
    ...[
      [0, 1e30, false, true],
      [1, 1e30, false, true],
    ],
  ]);
  const means = curve!.slice(0, 2).map(({ metrics }) => metrics!.accuracy as number);
  expect(curves).toMatchObject([{ setting: "learningRate", seeds: [0, 1], best: 0.01, points: [{}, { diverged: 2 }] }]);
  expect(curves![0]!.points[0]!.mean).toBeCloseTo((means[0]! + means[1]!) / 2, 12);
  expect(outcome.text).toContain("over learningRate");
  expect(readFileSync(join(output, "comparison.md"), "utf8")).toContain("diverged 2");
  expect(readFileSync(join(output, "report.html"), "utf8")).toContain('id="curve-learningRate"');
  const notes: string[] = [];
  await compare(flags, { onNote: (line) => notes.push(line) });
  expect(notes).toEqual(["4 of 4 runs are there already."]);
  const collected = await compare({ output, collect: true });
  if (collected.kind !== "compared") throw new Error(collected.kind);
  expect(collected.result.curves).toEqual(curves);
  rmSync(join(output, "sequence-classification/lora/curve/learningRate=0.01/seed-1"), { recursive: true });
  const gone = await compare({ output, collect: true });
  if (gone.kind !== "compared") throw new Error(gone.kind);
  expect(gone.result.curve?.find(({ reason }) => reason === "waiting")).toMatchObject({ seed: 1, metrics: null });
  expect(gone.result.curves?.[0]?.seeds).toEqual([0]);
}, 300_000);

test("--dry-run estimates the cost and does no run", async () => {
  const output = fresh("expected");
  const flags = { methods: ["lora", "bidora"], seeds: [0, 1, 2], jobs: 2, output, dryRun: true };
  const outcome = await compare({ ...flags, runFile: file });
  if (outcome.kind !== "expected") throw new Error(outcome.kind);
  const [lora, bidora] = outcome.costs.pairs;
  expect(lora).toMatchObject({ task: "sequence-classification", method: "lora", runs: 3, steps: 2 });
  expect(bidora).toMatchObject({ method: "bidora", runs: 3, steps: 4 });
  expect(outcome.costs.seconds).toBe(secondsWithJobs([lora!, bidora!], 2));
  expect(outcome.text).toMatch(/In total about .*, with up to .* of memory at once\./);
  expect(existsSync(output)).toBe(false);
}, 100_000);

test("--dry-run lists grid points of different cost separately, and says that the choice is open", async () => {
  const grid = ["maxSteps=1,3", "learningRate=0,1e-3"];
  const outcome = await compare({
    runFile: file,
    methods: ["lora"],
    grid,
    output: fresh("unequal-grid"),
    dryRun: true,
  });
  if (outcome.kind !== "expected") throw new Error(outcome.kind);
  expect(outcome.costs.pairs.map(({ tried, runs, steps }) => [tried, runs, steps])).toEqual([
    [{ maxSteps: 1 }, 2, 1],
    [{ maxSteps: 3 }, 2, 3],
    [{}, 1, 2],
  ]);
  expect(outcome.text).toMatch(/^lora \(tune maxSteps=3\) /m);
  expect(outcome.text).toContain("without the settings that --tune will choose");
}, 100_000);

test("early stopping works with a budget of seconds, and after a dry run", async () => {
  const flags = { methods: ["lora+es"], budget: "seconds=0.3", output: fresh("seconds-early") };
  const { kind } = await compare({ runFile: file, ...flags, dryRun: true });
  expect(kind).toBe("expected");
  const outcome = await compare({ runFile: file, ...flags, list: true });
  if (outcome.kind !== "listed") throw new Error(outcome.kind);
  expect(outcome.commands[0]).toMatch(/--max-steps=\d+ .*--holdout-fraction=0\.2 .*--eval-every=/);
}, 100_000);

test("a budget of seconds is converted to steps once, and kept", async () => {
  const output = fresh("seconds");
  const flags = { methods: ["lora"], budget: "seconds=0.2", output };
  await compare({ ...flags, runFile: file });
  const folder = join(output, "sequence-classification/lora/seed-0");
  const steps = /maxSteps: (\d+)/.exec(readFileSync(join(folder, "run.yaml"), "utf8"))?.[1];
  expect(Number(steps)).toBeGreaterThanOrEqual(1);
  const before = statSync(join(folder, "metrics.json")).mtimeMs;
  // Steps measured again would be another run.
  await compare({ ...flags, runFile: file });
  expect(statSync(join(folder, "metrics.json")).mtimeMs).toBe(before);
}, 100_000);

describe("the command compare", () => {
  test("--list prints self-contained commands for the runs", async () => {
    const output = fresh("listed");
    const listed = await bidora("compare", file, "--methods", "full", "--seeds", "0,1", "--output", output, "--list");
    expect([listed.status, listed.stderr]).toEqual([0, ""]);
    const commands = listed.stdout.trim().split("\n");
    expect(commands.length).toBe(2);
    expect(existsSync(join(output, "sequence-classification"))).toBe(false);
    const elsewhere = fresh("elsewhere");
    mkdirSync(elsewhere);
    for (const command of commands) {
      expect(command).toMatch(/^\S+ \S*bidora\.js finetune .*--method=full/);
      // No project is there, and nothing on the path: npx would ask the registry for a stranger's package.
      execFileSync("/bin/sh", ["-c", command], { stdio: "pipe", cwd: elsewhere, env: { PATH: elsewhere } });
    }
    const collected = await bidora("compare", file, "--collect", "--output", output, "--json");
    expect((JSON.parse(collected.stdout) as Result).runs.map(({ seed }) => seed)).toEqual([0, 1]);
  }, 100_000);

  test("a failed run does not stop the others, and is named at the end", async () => {
    const output = fresh("failing");
    const list = write(
      "two.yaml",
      [
        readFileSync(file, "utf8").replace(/^(task|train|validation):.*\n/gm, ""),
        "tasks:",
        `  - {name: good, task: sequence-classification, train: ${train}, validation: ${train}}`,
        `  - {name: bad, task: sequence-classification, train: ${train}, validation: ${train}, learningRate: 1e38}`,
      ].join("\n"),
    );
    const { status, stderr } = await bidora("compare", list, "--methods", "lora", "--output", output);
    expect(status).toBe(1);
    expect(stderr).toMatch(/1 of 2 runs failed; .* bad lora seed 0: (?!bidora).*no longer finite/);
    expect(readdirSync(output)).toContain("comparison.json");
    expect(json<Result>(join(output, "comparison.json")).runs.map(({ task }) => task)).toEqual(["good"]);
  }, 100_000);

  test("a folder with other files is refused, and so are two modes together", async () => {
    const other = write("notes.txt", "mine");
    const folder = join(other, "..");
    const { status, stderr } = await bidora("compare", file, "--output", folder);
    expect([status, stderr]).toEqual([1, expect.stringContaining("so it is not the folder of a comparison")]);
    expect(readdirSync(folder)).toEqual(["notes.txt"]);
    const both = await bidora("compare", file, "--list", "--collect", "--output", fresh());
    expect([both.status, both.stderr]).toEqual([
      2,
      expect.stringContaining("--list and --collect are mutually exclusive"),
    ]);
  });
});

const frozenIn = (output: string) => json<ComparisonFile>(join(output, "comparison.json")).frozen!;

test("a plan is frozen before the runs; the results name its hash, and what departs from it", () => {
  // In a process of its own: the program that plans must be the build that runs.
  const planned = (output: string, ...flags: string[]) => {
    const { status, stderr } = spawned("compare", file, "--max-steps=1", `--output=${output}`, ...flags);
    expect(status, stderr).toBe(0);
    return stderr;
  };
  const [plan, output, other] = [join(fresh("plans"), "plan.json"), fresh("frozen"), fresh("other")];
  const frozen = ["--methods=lora", "--seeds=0,1", `--freeze=${plan}`];
  const notes = planned(output, ...frozen, "--dry-run");
  const { sha256, ...found } = json<FrozenPlan>(plan);
  expect(notes).toContain(`Froze the plan in ${plan}, SHA-256 ${sha256}.`);
  expect(Object.keys(found.runs)).toEqual([0, 1].map((seed) => `sequence-classification/lora/seed-${seed}`));
  expect(found).toMatchObject({ methods: ["lora"], seeds: [0, 1], begun: [], tasks: [{ metric: "accuracy" }] });
  expect(Object.values(found.runs)[0]).toMatchObject({ settings: { maxSteps: 1 }, data: expect.any(Object) });
  const before = readFileSync(plan, "utf8");
  // The folder keeps the plan: the flag need not be repeated.
  planned(output, "--methods=lora", "--seeds=0");
  expect(frozenIn(output)).toEqual({
    sha256,
    departures: ["These planned runs have no results: sequence-classification/lora/seed-1."],
  });
  planned(output, ...frozen);
  expect(frozenIn(output)).toEqual({ sha256, departures: [] });
  expect(readFileSync(plan, "utf8")).toBe(before);
  for (const name of ["comparison.md", "comparison.tex", "report.html"])
    expect(readFileSync(join(output, name), "utf8"), name).toContain(sha256);

  planned(output, "--methods=lora,dora", "--seeds=0,2", "--margin=0.1", "--pairs=lora:dora");
  expect(frozenIn(output).departures).toEqual([
    "These methods are not in the plan: dora.",
    "These seeds are not in the plan: 2.",
    "The tested pairs are dora:lora, the plan has every two methods.",
    "The margin is 0.1, the plan has none.",
  ]);

  planned(other, ...frozen, "--learning-rate=0.5");
  expect(frozenIn(other).departures).toEqual([
    expect.stringMatching(
      /^sequence-classification\/lora\/seed-0, sequence-classification\/lora\/seed-1: learningRate 0.5, the plan has /,
    ),
  ]);
}, 300_000);

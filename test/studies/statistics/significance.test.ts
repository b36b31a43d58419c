import fc from "fast-check";
import { expect, test } from "vitest";
import type { Comparison } from "../../../src/base/records/comparison.js";
import { uniforms } from "../../../src/base/seededGenerator.js";
import { holm } from "../../../src/studies/statistics/holm.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { wilcoxon } from "../../../src/studies/statistics/wilcoxon.js";
import { significanceTable } from "../../../src/studies/tables/significanceTable.js";
import { accuracy, f1, perplexity, run, runsOf, task } from "./sampleComparison.js";

const methods = ["lora", "dora", "bidora"];
const scores = {
  mrpc: { lora: [0.8, 0.81, 0.83], dora: [0.82, 0.8, 0.87], bidora: [0.85, 0.87, 0.9] },
  cola: { lora: [0.5, 0.52, 0.51], dora: [0.6, 0.51, 0.55], bidora: [0.61, 0.6, 0.64] },
};
const comparison: Comparison = {
  methods,
  tasks: [task("mrpc", accuracy, f1), task("cola", accuracy)],
  runs: Object.entries(scores).flatMap(([name, of]) =>
    Object.entries(of).flatMap(([method, values]) => runsOf(name, method, "accuracy", values)),
  ),
};

test("tests all pairs of methods over all tasks and seeds, then on each task", () => {
  const found = significance(comparison);
  expect(found.map(({ a, b, task: of, pairs, metric, test: by }) => [a, b, of, pairs, metric, by])).toEqual(
    [undefined, "mrpc", "cola"].flatMap((of) =>
      [
        ["lora", "dora"],
        ["lora", "bidora"],
        ["dora", "bidora"],
      ].map(([a, b]) => [a, b, of, of ? 3 : 6, "accuracy", "wilcoxon"]),
    ),
  );
  expect(found[0]).toMatchObject(pick(wilcoxon(all("lora"), all("dora"))));
  expect(found[2]).toMatchObject(pick(wilcoxon(all("dora"), all("bidora"))));
  expect(found[8]).toMatchObject(pick(wilcoxon(scores.cola.dora, scores.cola.bidora)));
  // Each family of three by itself: bidora is above both in all six pairs.
  expect(found[1]).toMatchObject({ statistic: 0, p: 0.03125, unmatched: 0 });
  expect(found[1]!.effect.rankBiserial).toBe(-1);
  for (const family of [found.slice(0, 3), found.slice(3, 6), found.slice(6)])
    expect(family.map(({ pHolm }) => pHolm)).toEqual(holm(family.map(({ p }) => p)));
  expect(Object.hasOwn(found[0]!, "task")).toBe(false);
});

const all = (method: "lora" | "dora" | "bidora") => [...scores.mrpc[method], ...scores.cola[method]];
const pick = ({ statistic, p }: { statistic: number; p: number }) => ({ statistic, p });

test("runs are paired by task and seed, in any order; runs without a partner are left out and counted", () => {
  const runs = [
    run("mrpc", "lora", 2, { accuracy: 0.7 }),
    run("mrpc", "lora", 0, { accuracy: 0.5 }),
    run("mrpc", "lora", 7, { accuracy: 0.1 }),
    run("mrpc", "dora", 0, { accuracy: 0.75 }),
    run("mrpc", "dora", 1, { accuracy: 0.2 }),
    run("mrpc", "dora", 2, { accuracy: 0.6 }),
    run("mrpc", "dora", 7, { f1: 0.3 }),
  ];
  const [entry] = significance({ methods: ["lora", "dora"], tasks: [task("mrpc", accuracy)], runs });
  expect(entry).toMatchObject({ pairs: 2, unmatched: 3, statistic: 1, p: 1 });
  expect(entry!.effect.meanDifference).toBeCloseTo(-0.075, 12);
});

test("a test over some of the tasks names them", () => {
  const runs = ["a", "b"].flatMap((method, shift) =>
    ["sst2", "mrpc", "lm"].map((of) => run(of, method, 0, { accuracy: shift, f1: shift, perplexity: shift })),
  );
  const over = (...tasks: Comparison["tasks"]) =>
    significance({
      methods: ["a", "b"],
      tasks,
      runs: runs.filter((one) => tasks.some(({ name }) => name === one.task)),
    })
      .filter(({ task: of }) => of === undefined)
      .map(({ metric, tasks: some }) => [metric, some]);
  expect(over(task("mrpc", f1), task("sst2", accuracy), task("lm", perplexity)).at(-1)).toEqual([
    "main",
    ["mrpc", "sst2"],
  ]);
  expect(over(task("mrpc", f1), task("sst2", accuracy)).at(-1)).toEqual(["main", undefined]);
  const tasks = [task("mrpc", accuracy), task("sst2", accuracy)];
  const failed = [{ task: "cola", method: "a", seed: 0, reason: "it diverged" }];
  const unfinished = [{ task: "rte", method: "a", seed: 0, state: "waiting" }] as const;
  const found = { methods: ["a", "b"], tasks, runs: runs.filter(({ task: of }) => of !== "lm") };
  for (const missing of [{ failed }, { unfinished }])
    expect(significance({ ...found, ...missing })[0]).toMatchObject({ tasks: ["mrpc", "sst2"] });
});

test("each main metric is tested over all tasks that have it, also where it is not the main one", () => {
  const runs = ["lora", "dora"].flatMap((method, shift) => [
    ...[0, 1].map((seed) => run("sst2", method, seed, { accuracy: 0.5 + shift + seed })),
    ...[0, 1].map((seed) => run("mrpc", method, seed, { f1: 0.3 + shift, accuracy: 0.4 + 2 * shift + seed })),
    ...[0, 1].map((seed) => run("lm", method, seed, { perplexity: 30 + shift })),
  ]);
  const tasks = [task("sst2", accuracy), task("mrpc", f1, accuracy), task("lm", perplexity)];
  const found = significance({ methods: ["lora", "dora"], tasks, runs });
  expect(found.map(({ metric, task: of, pairs, unmatched }) => [metric, of, pairs, unmatched])).toEqual([
    ["accuracy", undefined, 4, 0],
    ["main", undefined, 4, 0],
    ["accuracy", "sst2", 2, 0],
    ["f1", "mrpc", 2, 0],
    ["perplexity", "lm", 2, 0],
  ]);
});

test("tasks with different main metrics are also pooled, each with its own", () => {
  const runs = ["lora", "dora"].flatMap((method, shift) => [
    ...[0, 1].map((seed) =>
      run("cola", method, seed, { matthews: 0.5 + 0.1 * shift + seed, accuracy: 0.9 - 0.3 * shift }),
    ),
    ...[0, 1, 2].map((seed) => run("sst2", method, seed, { accuracy: 0.6 - 0.02 * shift * (seed + 1) })),
    ...[0, 1].map((seed) => run("lm", method, seed, { perplexity: 30 + 9 * shift })),
  ]);
  const matthews = { name: "matthews", goal: "maximize" } as const;
  const tasks = [task("cola", matthews, accuracy), task("sst2", accuracy), task("lm", perplexity)];
  const found = significance({ methods: ["lora", "dora"], tasks, runs }).filter(({ metric }) => metric === "main");
  // CoLA by its Matthews correlation (−0.1, −0.1), SST-2 by its accuracy (0.02, 0.04, 0.06), and no perplexity.
  const expected = wilcoxon([0.02, 0.04, 0.06, 0, 0], [0, 0, 0, 0.1, 0.1]);
  expect(found).toEqual([expect.objectContaining({ pairs: 5, unmatched: 0, ...pick(expected) })]);
  const alike = [task("mrpc", f1, accuracy), task("qqp", f1)];
  const one = ["mrpc", "qqp"].flatMap((name) => [run(name, "lora", 0, { f1: 0.5 }), run(name, "dora", 0, { f1: 0.4 })]);
  expect(
    significance({ methods: ["lora", "dora"], tasks: alike, runs: one }).map(({ metric }) => metric),
  ).not.toContain("main");
});

test("the effect is positive if a is better, also for metrics to minimize", () => {
  const of = (goal: "maximize" | "minimize") =>
    significance({
      methods: ["a", "b"],
      tasks: [task("t", { name: "score", goal })],
      runs: [...runsOf("t", "a", "score", [1, 2, 3]), ...runsOf("t", "b", "score", [2, 4, 7])],
    })[0]!;
  expect(of("minimize").effect).toMatchObject({ rankBiserial: 1 });
  expect(of("minimize").effect.meanDifference).toBeCloseTo(7 / 3, 11);
  expect(of("maximize").effect).toMatchObject({ rankBiserial: -1 });
  expect(of("minimize")).toMatchObject({ p: of("maximize").p, statistic: of("maximize").statistic });
});

test("methods without a common seed get no test and do not count in a family", () => {
  const runs = [
    ...runsOf("t", "a", "accuracy", [0.1, 0.2, 0.3, 0.4, 0.5, 0.6]),
    ...runsOf("t", "b", "accuracy", [0.2, 0.4, 0.6, 0.8, 1, 1.2]),
    run("t", "c", 9, { accuracy: 1 }),
  ];
  const found = significance({ methods: ["a", "b", "c"], tasks: [task("t", accuracy)], runs });
  expect(found.map(({ a, b }) => [a, b])).toEqual([["a", "b"]]);
  expect(found[0]!.pHolm).toBe(found[0]!.p);
});

test("rejects duplicate runs", () => {
  expect(() => significance({ ...comparison, runs: [...comparison.runs, comparison.runs[0]!] })).toThrow("got two");
});

test("tasks that share rows have one pair for each seed, the means of their runs", () => {
  const share = ["evaluated rows"] as const;
  const names = ["sst2-200", "sst2-400", "mrpc"];
  const runs = [
    ...runsOf("sst2-200", "a", "accuracy", [0.5, 0.6, 0.7]),
    ...runsOf("sst2-200", "b", "accuracy", [0.6, 0.8, 0.7]),
    ...runsOf("sst2-400", "a", "accuracy", [0.7, 0.9]),
    ...runsOf("sst2-400", "b", "accuracy", [0.6, 0.9]),
    ...runsOf("mrpc", "a", "accuracy", [0.4, 0.4]),
    ...runsOf("mrpc", "b", "accuracy", [0.7, 0.5]),
  ];
  const found = { methods: ["a", "b"], tasks: names.map((name) => task(name, accuracy)), runs };
  const group = { tasks: ["sst2-200", "sst2-400"], share };
  const [joined, ...single] = significance({ ...found, rowGroups: [group] });
  // Seeds 0, 1 and 2 of both, and two seeds of MRPC: 0, −0.1, 0; −0.3, −0.1.
  const expected = wilcoxon([0.6, 0.75, 0.7, 0.4, 0.4], [0.6, 0.85, 0.7, 0.7, 0.5]);
  expect(joined).toMatchObject({ pairs: 5, differing: 3, unmatched: 0, joined: [group], ...pick(expected) });
  expect(joined!.effect.meanDifference).toBeCloseTo(-0.1, 12);
  expect(significance(found)[0]).toMatchObject({ pairs: 7 });
  expect(significance(found)[0]).not.toHaveProperty("joined");
  for (const one of single) expect(one).not.toHaveProperty("joined");
  const all = significance({ ...found, rowGroups: [{ tasks: names, share }] })[0];
  expect(all).toMatchObject({ pairs: 3, population: "seeds of these tasks" });
});

test("tasks whose runs are equal count once among those that share rows", () => {
  const share = ["training rows", "evaluated rows"] as const;
  const scores = (name: string, b: readonly number[]) => [
    ...runsOf(name, "a", "accuracy", [0.5, 0.5, 0.5, 0.5, 0.5, 0.5]),
    ...runsOf(name, "b", "accuracy", b),
  ];
  const [equal, other] = [
    [0.6, 0.7, 0.6, 0.8, 0.7, 0.9],
    [0.3, 0.6, 0.2, 0.4, 0.9, 0.1],
  ];
  const runs = [...scores("t", equal!), ...scores("u", equal!).toReversed(), ...scores("v", other!)];
  const tasks = ["t", "u", "v"].map((name) => task(name, accuracy));
  const of = (...names: string[]) =>
    significance({
      methods: ["a", "b"],
      tasks: tasks.filter(({ name }) => names.includes(name)),
      runs: runs.filter((one) => names.includes(one.task)).toReversed(),
      rowGroups: [{ tasks: ["t", "u", "v"], share }],
    })[0]!;
  expect(of("t", "u")).toMatchObject({ pairs: 6, joined: [{ tasks: ["t", "u"], share, repeated: ["u"] }] });
  expect(of("t", "u")).toMatchObject(pick(wilcoxon(Array(6).fill(0.5), equal!)));
  // As if the second were not there.
  const { joined: without, ...one } = of("t", "v");
  const { joined, ...all } = of("t", "u", "v");
  expect(all).toEqual(one);
  expect(without).toEqual([{ tasks: ["t", "v"], share }]);
  expect(joined).toEqual([{ tasks: ["t", "u", "v"], share, repeated: ["u"] }]);
});

test("runs that no seed changes count once, however many seeds they have", () => {
  const runs = [0, 1, 2, 3, 4, 5].flatMap((seed) => [
    run("t", "a", seed, { accuracy: 0.7, loss: 0.61 }),
    run("t", "b", seed, { accuracy: 0.6, loss: 0.66 }),
    run("t", "c", seed, { accuracy: 0.6, loss: 0.6 + seed / 100 }),
  ]);
  const found = significance({ methods: ["a", "b", "c"], tasks: [task("t", accuracy)], runs });
  const [ofEqual, ...others] = found;
  expect(ofEqual).toMatchObject({ a: "a", b: "b", pairs: 1, repeated: 5, differing: 1, unmatched: 0, p: 1 });
  // Another loss shows that equal scores are of different runs.
  for (const test of others) {
    expect(test).toMatchObject({ pairs: 6 });
    expect(test).not.toHaveProperty("repeated");
  }
  const { columns, notes } = significanceTable(found);
  const pairs = columns.find(({ title }) => title === "Pairs");
  expect(pairs?.cells.map(({ text }) => text)).toEqual(["1 (5 repeated)", "6", "6 (6 equal)"]);
  expect(notes).toContain("Repeated: runs that are equal to those of another seed or task count once.");
});

test("tasks that share rows are one task of a test over tasks, the mean of their means", () => {
  const names = [...SIX, "t6"];
  const runs = names.flatMap((name, i) => [
    ...runsOf(name, "a", "accuracy", [0.5, 0.5]),
    ...runsOf(name, "b", "accuracy", [0.5 + (i + 1) / 100, ...(i === 0 ? [] : [0.5 + (i + 1) / 100])]),
  ]);
  const found = { methods: ["a", "b"], tasks: names.map((name) => task(name, accuracy)), runs };
  const overTasks = (...groups: readonly string[][]) =>
    significance({ ...found, rowGroups: groups.map((tasks) => ({ tasks, share: ["files"] })) }).filter(
      ({ test }) => test === "wilcoxon-tasks",
    );
  const [joined] = overTasks(["t0", "t6"]);
  expect(joined).toMatchObject({ pairs: 6, unmatched: 0, joined: [{ tasks: ["t0", "t6"], share: ["files"] }] });
  // t0 by 0.01 and t6 by 0.07, though t6 has more seeds; then 0.02 to 0.06.
  expect(joined!.effect.meanDifference).toBeCloseTo(-0.04, 12);
  expect(overTasks(["t0", "t6"], ["t1", "t2"])).toEqual([]);
});

test("metrics of one name and different kinds are tested apart", () => {
  const ofKind = (kind: string) => ({ ...f1, kind });
  const tasks = [
    task("mrpc", ofKind("a class")),
    task("qqp", ofKind("a class")),
    task("jnlpba", ofKind("entities")),
    task("conll", ofKind("entities")),
    task("squad", { name: "exactMatch", goal: "maximize" }, ofKind("answers")),
  ];
  const runs = tasks.flatMap(({ name }, i) => [
    ...runsOf(name, "a", "f1", [0.5, 0.6]),
    ...runsOf(name, "b", "f1", [0.6 + i / 100, 0.6]),
  ]);
  const found = significance({ methods: ["a", "b"], tasks, runs }).filter(({ task: of }) => of === undefined);
  expect(found.map(({ metric, kind, tasks: of, pairs }) => [metric, kind, of, pairs])).toEqual([
    ["f1", "a class", ["mrpc", "qqp"], 4],
    ["f1", "entities", ["jnlpba", "conll"], 4],
    ["main", undefined, undefined, 8],
  ]);
});

const anyRuns = fc
  .array(fc.record({ a: fc.option(fc.nat(20)), b: fc.option(fc.nat(20)), of: fc.constantFrom("t", "u") }), {
    maxLength: 40,
  })
  .map((rows) =>
    rows.flatMap(({ a, b, of }, seed) => [
      ...(a === null ? [] : [run(of, "a", seed, { accuracy: a / 20 })]),
      ...(b === null ? [] : [run(of, "b", seed, { accuracy: b / 20 })]),
    ]),
  )
  .chain((runs) =>
    fc.tuple(fc.constant(runs), fc.shuffledSubarray(runs, { minLength: runs.length, maxLength: runs.length })),
  );

test("a metric of a single task gets no test over several tasks", () => {
  const runs = ["a", "b"].flatMap((method, shift) => [
    ...runsOf("t", method, "accuracy", [0.5 + shift / 10, 0.6 + shift / 20]),
    ...runsOf("lm", method, "perplexity", [30 + shift, 31]),
  ]);
  const of = (...tasks: Comparison["tasks"]) =>
    significance({
      methods: ["a", "b"],
      tasks,
      runs: runs.filter((one) => tasks.some(({ name }) => name === one.task)),
    }).map(({ task, population }) => [task, population]);
  expect(of(task("t", accuracy))).toEqual([["t", "seeds of this task"]]);
  expect(of(task("t", accuracy), task("lm", perplexity))).toEqual([
    ["t", "seeds of this task"],
    ["lm", "seeds of this task"],
  ]);
});

const SIX = ["t0", "t1", "t2", "t3", "t4", "t5"];

test("six tasks are also tested by their means over common seeds, as a family of its own", () => {
  const runs = SIX.flatMap((name, i) => [
    ...runsOf(name, "a", "accuracy", [0.5, 0.6, 0.9]),
    // Of the third seed, which b lacks, nothing may come in.
    ...runsOf(name, "b", "accuracy", [0.5 + (i + 1) / 100, 0.6]),
    ...runsOf(name, "c", "accuracy", [0.4, 0.6]),
  ]);
  const tasks = SIX.map((name) => task(name, accuracy));
  const found = significance({ methods: ["a", "b", "c"], tasks, runs });
  const over = found.filter(({ test }) => test === "wilcoxon-tasks");
  expect(over[0]).toMatchObject({ a: "a", b: "b", metric: "accuracy", population: "tasks", pairs: 6, differing: 6 });
  expect(over[0]).toMatchObject({ statistic: 0, p: 0.03125, pHolm: 0.09375, unmatched: 0 });
  expect(over[0]!.effect.meanDifference).toBeCloseTo(-0.0175, 12);
  expect(over.map(({ a, b }) => [a, b])).toEqual([
    ["a", "b"],
    ["a", "c"],
    ["b", "c"],
  ]);
  expect(over.some((test) => "task" in test)).toBe(false);
  expect(found[0]).toMatchObject({ test: "wilcoxon", population: "seeds of these tasks", pairs: 12, differing: 6 });
  expect(found.filter(({ population }) => population === "seeds of this task")).toHaveLength(18);
  const five = significance({
    methods: ["a", "b", "c"],
    tasks: tasks.slice(1),
    runs: runs.filter((one) => one.task !== "t0"),
  });
  expect(five.map(({ test }) => test)).not.toContain("wilcoxon-tasks");
  expect(five.slice(0, 3).map(({ population }) => population)).toEqual(Array(3).fill("seeds of these tasks"));
});

test("tasks without one of the methods are left out of the test over tasks and counted; goals are respected", () => {
  const tasks = [...SIX, "t6", "t7"].map((name) => task(name, perplexity));
  const runs = tasks.flatMap(({ name }, i) => [
    ...runsOf(name, "a", "perplexity", [10, 12]),
    ...(i === 7 ? [] : runsOf(name, "b", "perplexity", [11 + i, 12])),
  ]);
  const over = significance({ methods: ["a", "b"], tasks, runs }).filter(({ test }) => test === "wilcoxon-tasks");
  expect(over).toEqual([expect.objectContaining({ pairs: 7, unmatched: 1, statistic: 0, p: 2 / 2 ** 7 })]);
  expect(over[0]!.effect.rankBiserial).toBe(1);
});

test("for methods that are equal over tasks, pooled seeds find a difference in half of all studies, task means in one of twenty", () => {
  const draw = normals(uniforms(11, 0));
  const names = ["t0", "t1", "t2", "t3", "t4", "t5", "t6", "t7"];
  const studies = 400;
  const alarms = { wilcoxon: 0, "wilcoxon-tasks": 0 };
  for (let study = 0; study < studies; study++) {
    const runs = names.flatMap((name) => {
      // What a method is better by on one task, and which its seeds have in common; none over all tasks.
      const better = 0.02 * draw();
      const scores = (shift: number) => Array.from({ length: 10 }, () => 0.8 + shift + 0.005 * draw());
      return [...runsOf(name, "a", "accuracy", scores(better)), ...runsOf(name, "b", "accuracy", scores(0))];
    });
    const found = significance({ methods: ["a", "b"], tasks: names.map((name) => task(name, accuracy)), runs });
    for (const { test, p, task: of } of found) if (of === undefined && p < 0.05) alarms[test]++;
  }
  expect(alarms.wilcoxon / studies).toBeGreaterThan(0.4);
  // 0.039 is what 8 pairs can come to; three standard errors of a share of 400 above 0.05.
  expect(alarms["wilcoxon-tasks"] / studies).toBeLessThan(0.083);
  expect(alarms["wilcoxon-tasks"] / studies).toBeGreaterThan(0.01);
});

/** Box and Muller's. */
const normals = (uniform: () => number) => () =>
  Math.sqrt(-2 * Math.log(1 - uniform())) * Math.cos(2 * Math.PI * uniform());

test("swapping the methods keeps statistic and p and negates the effect; the order of runs does not matter", () => {
  fc.assert(
    fc.property(anyRuns, ([runs, shuffled]) => {
      const tasks = [task("t", accuracy), task("u", accuracy)];
      const found = significance({ methods: ["a", "b"], tasks, runs });
      expect(significance({ methods: ["a", "b"], tasks, runs: shuffled })).toEqual(found);
      const swapped = significance({ methods: ["b", "a"], tasks, runs });
      expect(swapped).toEqual(
        found.map(({ effect, ...rest }) => ({
          ...rest,
          a: "b",
          b: "a",
          effect: {
            ...effect,
            meanDifference: 0 - effect.meanDifference,
            rankBiserial: 0 - effect.rankBiserial,
            cohensDz: effect.cohensDz === null ? null : 0 - effect.cohensDz,
          },
        })),
      );
      for (const { p, pHolm } of found) expect(pHolm).toBeGreaterThanOrEqual(p);
    }),
  );
});

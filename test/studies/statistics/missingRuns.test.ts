import { describe, expect, test } from "vitest";
import type { Comparison } from "../../../src/base/records/comparison.js";
import { significance } from "../../../src/studies/statistics/significance.js";
import { comparisonTables } from "../../../src/studies/tables/comparisonTables.js";
import { latexTable, markdownTable } from "../../../src/studies/tables/renderTable.js";
import { terminalTable } from "../../../src/studies/tables/terminalTable.js";
import { accuracy, perplexity, runsOf, task } from "./sampleComparison.js";

const failed = (task: string, method: string, seed: number, reason = "The loss is not a number.") => ({
  ...{ task, method, seed, reason },
});

/** Of `b` one run failed and the other is the best, of `c` both failed. */
const comparison: Comparison = {
  methods: ["a", "b", "c", "d"],
  tasks: [task("t", accuracy)],
  runs: [
    ...runsOf("t", "a", "accuracy", [0.5, 0.75]),
    ...runsOf("t", "b", "accuracy", [0.9]),
    ...runsOf("t", "d", "accuracy", [0.25, 0.5]),
  ],
  failed: [failed("t", "b", 1), failed("t", "c", 0), failed("t", "c", 1, "Out of memory.")],
};

const scores = (of: Comparison, column = 0) =>
  comparisonTables(of)[0]!.columns[column]!.cells.map(({ text, best }) => text + (best ? "*" : ""));

describe("a method with failed runs", () => {
  test("stays in the table with the number of failures, and its other runs are not marked as best", () => {
    expect(scores(comparison)).toEqual([
      "0.6250 ± 0.1768*",
      "0.9000 (n = 1 of 2, 1 failed)",
      "failed 2 of 2",
      "0.3750 ± 0.1768",
    ]);
    const runs = comparison.runs.map((run) => ({ ...run, metrics: { perplexity: 1 - run.metrics.accuracy! } }));
    const minimized = { ...comparison, tasks: [task("t", perplexity)] as const, runs };
    expect(scores(minimized).map((text) => text.endsWith("*"))).toEqual([true, false, false, false]);
  });

  test("is not marked if its other runs tie with the best", () => {
    const runs = comparison.runs.map((run) => (run.method === "b" ? { ...run, metrics: { accuracy: 0.625 } } : run));
    expect(scores({ ...comparison, runs }).map((text) => text.endsWith("*"))).toEqual([true, false, false, false]);
  });

  test("leaves no method marked if only one has no failures", () => {
    const runs = comparison.runs.filter(({ method }) => method !== "d");
    expect(scores({ ...comparison, methods: ["a", "b", "c"], runs }).join()).not.toContain("*");
  });

  test("is noted with the reason, in every rendering of the table", () => {
    const [table] = comparisonTables(comparison);
    expect(table!.notes).toEqual([
      "Mean ± sample standard deviation over 2 seeds, unless n is given.",
      "b failed in 1 of 2 runs on t. Seed 1: The loss is not a number.",
      "c failed in 2 of 2 runs on t. Seed 0: The loss is not a number.",
      "Methods that lack runs of a task are not marked as best and in no test there: their other runs are a biased sample of the seeds.",
      "Time and memory are means over seeds.",
    ]);
    for (const text of [terminalTable(table!), markdownTable(table!), latexTable(table!)]) {
      expect(text).toContain("failed 2 of 2");
      expect(text).toContain("c failed in 2 of 2 runs on t");
    }
  });

  test("is left out of tests of that task and of all tasks, and kept in tests of other tasks", () => {
    const of = (tests: ReturnType<typeof significance>) => tests.map(({ a, b, task }) => `${a}${b} ${task ?? "all"}`);
    const both = {
      ...comparison,
      tasks: [task("t", accuracy), task("u", accuracy)],
      runs: [...comparison.runs, ...["a", "b", "d"].flatMap((method) => runsOf("u", method, "accuracy", [0.5, 0.75]))],
    };
    const tests = of(significance(both));
    expect(tests.filter((name) => name.endsWith(" t"))).toEqual(["ad t"]);
    expect(tests.filter((name) => name.endsWith(" all"))).toEqual(["ad all"]);
    expect(tests.filter((name) => name.endsWith(" u"))).toEqual(["ab u", "ad u", "bd u"]);
  });

  test("has a note even for a task without results, which has no column", () => {
    const [table] = comparisonTables({ ...comparison, failed: [failed("other", "a", 0)] });
    expect(table!.notes.join("\n")).toContain("a failed in 1 of 1 runs on other. Seed 0: The loss");
  });
});

describe("a method with unfinished runs", () => {
  const { failed: _failed, ...rest } = comparison;
  const states = ["running", "stopped", "waiting", "missing"] as const;
  const unfinished = states.map((state, i) => ({ ...{ task: "t", method: "b", seed: i + 1, state } }));
  const whole = { ...rest, methods: ["a", "b", "d"], unfinished };

  test("is shown with their number, and does not compete", () => {
    expect(scores(whole)).toEqual(["0.6250 ± 0.1768*", "0.9000 (n = 1 of 5, 4 missing)", "0.3750 ± 0.1768"]);
    for (const one of unfinished)
      expect(scores({ ...whole, unfinished: [one] })[1]).toBe("0.9000 (n = 1 of 2, 1 missing)");
    expect(new Set(significance(whole).map(({ a, b }) => `${a}${b}`))).toEqual(new Set(["ad"]));
    const both = { ...whole, failed: [failed("t", "b", 9)] };
    expect(scores(both)[1]).toBe("0.9000 (n = 1 of 6, 1 failed, 4 missing)");
    expect(comparisonTables(both)[0]!.notes[1]).toMatch(/^b failed in 1 of 6 runs on t/);
  });

  test("is shown without a score if none of its runs has one", () => {
    const none = { ...whole, methods: ["a", "b", "d", "c"], unfinished: [{ ...unfinished[0]!, method: "c" }] };
    expect(scores(none)[3]).toBe("missing 1 of 1");
    expect(scores({ ...none, failed: [failed("t", "c", 1), failed("t", "c", 2)] })[3]).toBe("failed 2, missing 1 of 3");
  });

  test("is noted by name", () => {
    expect(comparisonTables(whole)[0]!.notes.slice(1, 3)).toEqual([
      "Not finished, and not included: b seed 1 on t (still running), b seed 2 on t (stopped), b seed 3 on t (not started), b seed 4 on t (missing).",
      "Methods that lack runs of a task are not marked as best and in no test there: their other runs are a biased sample of the seeds.",
    ]);
    const many = Array.from({ length: 9 }, (_, seed) => ({ task: "t", method: "b", seed, state: "waiting" as const }));
    expect(comparisonTables({ ...whole, unfinished: many })[0]!.notes[1]).toMatch(
      /b seed 5 on t \(not started\) and 3 more\.$/,
    );
  });
});

import { describe, expect, test } from "vitest";
import type { Comparison, SignificanceTest } from "../../../src/base/records/index.js";
import { besideHeadline, headline } from "../../../src/studies/tables/headline.js";
import { accuracy, perplexity, runsOf, task } from "./sampleComparison.js";
import { equivalenceTest, twoLevelTest, wilcoxonTest } from "./sampleTests.js";

/** One task, and each method with its scores. */
const compared = (scores: Readonly<Record<string, readonly number[]>>, more: Partial<Comparison> = {}): Comparison => ({
  methods: Object.keys(scores),
  tasks: [task("t", accuracy)],
  runs: Object.entries(scores).flatMap(([method, each]) => runsOf("t", method, "accuracy", each)),
  ...more,
});

const two = compared({ lora: [0.95, 0.956, 0.953], dora: [0.95, 0.958, 0.96] });
const pair = { a: "lora", b: "dora" };
const open = twoLevelTest({ ...pair, difference: -0.003, low: -0.018, high: 0.012 });
const found = twoLevelTest({ ...pair, difference: -0.03, low: -0.04, high: -0.02, pHolm: 0.01 });

describe("two methods on one task", () => {
  test("no difference: both scores, the interval, and what the seeds can't show", () => {
    expect(headline(two, [open])).toBe(
      "dora 0.956, lora 0.953: no difference shown (−0.012 to 0.018; 3 seeds can't show less than 0.015).",
    );
  });

  test("a difference: which is better, and by how much, with its interval", () => {
    expect(headline(two, [found])).toBe("dora 0.956, lora 0.953: dora is better by 0.030 (0.020 to 0.040).");
    const swapped = { ...found, a: "dora", b: "lora", difference: 0.03, low: 0.02, high: 0.04 };
    expect(headline(two, [swapped])).toBe(headline(two, [found]));
  });

  test.each([
    ["p above 0.05 after the correction", { pHolm: 0.06 }],
    ["an interval that holds 0", { high: 0.001 }],
    ["too few rows that are scored differently", { differing: 5 }],
  ])("a difference is not claimed with %s", (_, facts) => {
    expect(headline(two, [{ ...found, ...facts }])).toContain("no difference shown");
  });

  test("an interval above 0 without significance is explained by the correction, few rows by their number", () => {
    expect(headline(two, [{ ...found, pHolm: 0.06 }])).toContain("no difference shown after Holm's correction (");
    expect(headline(two, [{ ...open, differing: 1 }])).toContain("only 1 row is scored differently, too few to test)");
  });

  test("equivalence within the margin, beside which nothing is open", () => {
    const alike = equivalenceTest({ ...pair, margin: 0.02 });
    expect(headline(two, [open, alike])).toBe("dora 0.956, lora 0.953: equivalent within ±0.02.");
    expect(headline(two, [open, { ...alike, equivalent: false }])).toContain("no difference shown");
  });

  test("only tests of the main metric count", () => {
    expect(headline(two, [{ ...found, metric: "loss" }, open])).toContain("no difference shown");
  });

  test("lower is better: the lowest score comes first", () => {
    const scores = { lora: [12, 14], dora: [15, 16] };
    const runs = Object.entries(scores).flatMap(([method, each]) => runsOf("t", method, "perplexity", each));
    const of = { methods: ["dora", "lora"], tasks: [task("t", perplexity)], runs };
    const test = twoLevelTest({
      ...pair,
      metric: "perplexity",
      difference: 2.5,
      low: 1,
      high: 4,
      pHolm: 0.01,
      seeds: 2,
    });
    expect(headline(of, [test])).toBe("lora 13.0, dora 15.5 (lower is better): lora is better by 2.5 (1.0 to 4.0).");
  });
});

test("one seed, one method, and methods without a test show nothing", () => {
  expect(headline(compared({ lora: [0.5], dora: [0.75] }), [])).toBe("dora 0.750, lora 0.500: one seed shows nothing.");
  expect(headline(compared({ lora: [0.5, 0.7] }), [])).toBe("lora 0.600: a single method, compared with no other.");
  expect(headline(two, [])).toBe("dora 0.956, lora 0.953: no two methods can be tested over seeds and rows.");
});

test("failed, missing and constant runs stand beside the score", () => {
  const failed = [{ task: "t", method: "dora", seed: 2, reason: "it diverged" }];
  const of = compared({ lora: [0.5, 0.5, 0.5], dora: [0.9, 0.9], full: [] }, { failed });
  const constant = {
    ...of,
    runs: of.runs.map((run) => ({ ...run, ...(run.method === "lora" && { untrained: true as const }) })),
  };
  expect(headline(constant, [])).toMatch(/^dora 0\.900 \(n = 2 of 3, 1 failed\), lora 0\.500 \(untrained\), full –: /);
});

describe("several methods or tasks", () => {
  const scores = { lora: [0.95, 0.956], dora: [0.95, 0.958], full: [0.9, 0.91] };
  const than = (a: string, b: string, facts: object = {}) => twoLevelTest({ ...open, a, b, ...facts });

  test("each difference names both methods, and the rest is open", () => {
    const tests = [than("lora", "dora"), { ...found, a: "full", b: "lora" }, than("full", "dora")];
    expect(headline(compared(scores), tests)).toBe(
      "dora 0.954, lora 0.953, full 0.905: lora is better than full by 0.030 (0.020 to 0.040); no other difference shown (3 seeds can't show less than 0.015).",
    );
    expect(headline(compared(scores), [than("lora", "dora")])).toContain("no difference shown between any two (");
    const pairs = [["lora", "dora"]] as const;
    expect(headline(compared(scores, { pairs }), [than("lora", "dora")])).toContain("shown in any tested pair (");
  });

  test("differences and limits name their task, and scores are averages", () => {
    const tasks = [task("t", accuracy), task("u", accuracy)] as const;
    const { methods, runs } = compared(scores);
    const of = { methods, tasks, runs: [...runs, ...runs.map((run) => ({ ...run, task: "u" }))] };
    expect(headline(of, [found, than("lora", "dora", { task: "u" })])).toBe(
      "dora 0.954, lora 0.953, full 0.905 on average over 2 tasks: on t dora is better than lora by 0.030 (0.020 to 0.040); no other difference shown (3 seeds can't show less than 0.015).",
    );
  });

  test("many methods and differences are counted beyond the fourth", () => {
    const many = compared(
      Object.fromEntries(["a", "b", "c", "d", "e", "f"].map((name, i) => [name, [i / 10, i / 10]])),
    );
    expect(headline(many, [])).toMatch(/^f 0\.500, e 0\.400, d 0\.300, c 0\.200 and 2 more: /);
  });
});

test("what Wilcoxon's test alone finds is noted", () => {
  const wilcoxon = wilcoxonTest({ ...pair, task: "t", population: "seeds of this task" });
  const note =
    "Wilcoxon's test over seeds of t finds lora better than dora, p 0.0400; the sentence goes by the bootstrap over seeds and rows.";
  expect(besideHeadline(two, [open, wilcoxon])).toEqual([note]);
  expect(besideHeadline(two, [found, wilcoxon])).toEqual([]);
  const none: SignificanceTest = { ...wilcoxon, pHolm: 0.2 };
  expect(besideHeadline(two, [open, none])).toEqual([]);
});

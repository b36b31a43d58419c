import type { BootstrapTest, EquivalenceTest, TwoLevelTest, WilcoxonTest } from "../../../src/base/records/index.js";

const effect = { meanDifference: 0.1, standardError: 0.01, cohensDz: 1, rankBiserial: 1 };

export const wilcoxonTest = (facts: Partial<WilcoxonTest>): WilcoxonTest => ({
  ...{ a: "a", b: "b", metric: "accuracy", population: "seeds of these tasks", test: "wilcoxon" },
  ...{ pairs: 12, differing: 12, unmatched: 0, statistic: 0, p: 0.04, pHolm: 0.04, effect },
  ...facts,
});

export const bootstrapTest = (facts: Partial<BootstrapTest>): BootstrapTest => ({
  ...{ a: "a", b: "b", metric: "accuracy", population: "rows of this task", test: "bootstrap", task: "t" },
  ...{ pairs: 400, differing: 40, statistic: 0.1, low: -0.1, high: 0.3, p: 0.2, pHolm: 0.2 },
  ...{ unmatched: 0, confidence: 0.95, resamples: 10_000, pStandardError: 0.004 },
  ...facts,
});

const overSeeds = {
  population: "seeds and rows of this task" as const,
  ...{ a: "a", b: "b", metric: "accuracy", task: "t", seeds: 3 },
  ...{ pairs: 400, differing: 40, unmatched: 0, difference: 0.1, low: -0.2, high: 0.4, resamples: 10_000 },
};

export const twoLevelTest = (facts: Partial<TwoLevelTest>): TwoLevelTest => ({
  ...{ ...overSeeds, test: "two-level", p: 0.3, pHolm: 0.6, confidence: 0.95, pStandardError: 0.005 },
  ...facts,
});

export const equivalenceTest = (facts: Partial<EquivalenceTest>): EquivalenceTest => ({
  ...{ ...overSeeds, test: "equivalence", confidence: 0.9, margin: 0.5, equivalent: true },
  ...facts,
});

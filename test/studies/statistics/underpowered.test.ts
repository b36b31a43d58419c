import { expect, test } from "vitest";
import { pairsNeeded, underpoweredNotes } from "../../../src/studies/statistics/holm.js";
import { wilcoxon } from "../../../src/studies/statistics/wilcoxon.js";
import { bootstrapTest, wilcoxonTest } from "./sampleTests.js";

/** The p-value of n pairs of which a is the larger in all. */
const clearest = (n: number) => {
  const a = Array.from({ length: n }, (_, i) => i + 1);
  return wilcoxon(
    a,
    a.map(() => 0),
  ).p;
};

const family = (...differing: readonly number[]) => differing.map((count) => wilcoxonTest({ differing: count }));
const alike = (differing: number, size: number) => family(...Array.from({ length: size }, () => differing));

test("a family gets a note exactly if its clearest outcome is not significant", () => {
  for (let pairs = 0; pairs <= 12; pairs++)
    for (const size of [1, 2, 3, 10])
      expect(underpoweredNotes(alike(pairs, size)).length === 0, `${pairs} pairs, ${size} tests`).toBe(
        size * clearest(pairs) < 0.05,
      );
});

test("the note says the smallest possible p and how many pairs are needed", () => {
  expect(underpoweredNotes(family(3))).toEqual([
    "a – b has 3 differing pairs, too few: the smallest p that an exact test can reach is 0.25; p < 0.05 needs at least 6.",
  ]);
  expect(underpoweredNotes(family(1))[0]).toContain("a – b has 1 differing pair, too few:");
  expect(underpoweredNotes(family(0))[0]).toContain("can reach is 1;");
  expect(underpoweredNotes(alike(6, 3))[0]).toContain("is 0.0938, corrected for 3 tests; p < 0.05 needs at least 7.");
  expect(underpoweredNotes([])).toEqual([]);
});

test("only pairs that differ count", () => {
  expect(underpoweredNotes([wilcoxonTest({ pairs: 12, differing: 5 })])).toHaveLength(1);
  expect(underpoweredNotes([wilcoxonTest({ pairs: 12, differing: 6 })])).toEqual([]);
});

test("Holm's correction does not multiply the largest p of a family by the number of tests", () => {
  // 8 pairs: 0.0078 × 3; 6 pairs: the largest of the three, 0.03125 × 1.
  expect(underpoweredNotes(family(8, 8, 6))).toEqual([]);
  expect(underpoweredNotes(family(3, 5))).toEqual([
    "All 2 pairs of methods have at most 5 differing pairs, too few: the smallest p that an exact test can reach is 0.125, corrected for 2 tests; p < 0.05 needs at least 7.",
  ]);
  expect(underpoweredNotes(family(8, 5, 3))).toEqual([
    "a – b has 5 differing pairs, too few: the smallest p that an exact test can reach is 0.125, corrected for 3 tests; p < 0.05 needs at least 7.",
    "a – b has 3 differing pairs, too few: the smallest p that an exact test can reach is 0.25, corrected for 3 tests; p < 0.05 needs at least 7.",
  ]);
});

test("notes on tasks and on rows name them", () => {
  const tasks = Array.from({ length: 3 }, () => wilcoxonTest({ test: "wilcoxon-tasks", pairs: 6, differing: 6 }));
  expect(underpoweredNotes(tasks)[0]).toContain("All 3 pairs of methods have 6 tasks whose means differ, too few:");
  const rows = [bootstrapTest({ pairs: 400, differing: 3 })];
  expect(underpoweredNotes(rows)[0]).toContain(
    "a – b has 3 rows that are scored differently, too few: the bootstrap's p tends to be too small for so few, an exact test's would be at least 0.25;",
  );
  // Without a difference its p is 1, which is not too small.
  expect(underpoweredNotes([bootstrapTest({ pairs: 400, differing: 0 })])[0]).toContain(
    "has 0 rows that are scored differently, too few: the smallest p that an exact test can reach is 1;",
  );
  expect(underpoweredNotes([bootstrapTest({ pairs: 400, differing: 6 })])).toEqual([]);
});

test("each note names the pairs of methods that it is about, and says nothing of the others", () => {
  const of = (b: string, differing: number) => wilcoxonTest({ b, differing, p: differing > 6 ? 0.0156 : 0.25 });
  const notes = underpoweredNotes([of("lora", 7), of("dora", 3), of("full", 3), of("vera", 8)]);
  expect(notes).toEqual([
    "a – dora, a – full have 3 differing pairs, too few: the smallest p that an exact test can reach is 0.5, corrected for 4 tests; p < 0.05 needs at least 8.",
  ]);
});

test("one test needs six differing pairs, and a family more", () => {
  expect(pairsNeeded()).toBe(6);
  for (const size of [1, 2, 3, 55, 300]) {
    expect(size * clearest(pairsNeeded(size))).toBeLessThan(0.05);
    expect(size * clearest(pairsNeeded(size) - 1)).toBeGreaterThanOrEqual(0.05);
  }
});

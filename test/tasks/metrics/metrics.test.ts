import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  accuracy,
  balancedAccuracy,
  combineMetrics,
  entityScores,
  f1,
  type LabelSet,
  labelScores,
  macroF1,
  matthewsCorrelation,
  meanSquaredError,
  pearson,
  precision,
  recall,
  spearman,
  subsetAccuracy,
  type TagScheme,
  wordAccuracy,
} from "../../../src/tasks/metrics/index.js";
import { lenientEntities, strictEntities } from "../../../src/tasks/metrics/parts/entities.js";
import { averageRanks } from "../../../src/tasks/metrics/parts/ranks.js";
import type { Scores } from "../../../src/tasks/metrics/parts/scores.js";
import { over } from "./feed.js";

interface Case<T> {
  name: string;
  references: T[];
  predictions: T[];
}
interface Golden {
  classes: (Case<number> & {
    accuracy: number;
    balancedAccuracy: number;
    matthewsCorrelation: number;
    macroF1: number;
    f1?: number;
  })[];
  numbers: (Case<number> & { pearson: number; spearman: number; meanSquaredError: number })[];
  labels: (Case<number[]> & { micro: Scores; macro: Scores; subsetAccuracy: number })[];
  tags: (Case<string[]> & { wordAccuracy: number; lenient: Scores; strict: Partial<Record<TagScheme, Scores>> })[];
}

const golden = JSON.parse(
  readFileSync(new URL("../../golden/metrics/metrics.json", import.meta.url), "utf8"),
) as Golden;

/** Exactly these names, and each value to 1e-12 of `scale`. */
function expectClose(actual: object, expected: object, scale = 1): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  const values = new Map(Object.entries(actual) as [string, number][]);
  for (const [key, value] of Object.entries(expected) as [string, number][])
    expect(Math.abs(values.get(key)! - value), `${key}: ${values.get(key)} against ${value}`).toBeLessThanOrEqual(
      1e-12 * scale,
    );
}

describe("metrics of classes match scikit-learn", () => {
  it.each(golden.classes)("$name", ({ name: _, references, predictions, f1: binary, ...expected }) => {
    expectClose(
      over(combineMetrics(accuracy(), balancedAccuracy(), matthewsCorrelation(), macroF1()), references, predictions),
      expected,
    );
    if (binary !== undefined) expectClose(over(f1(1), references, predictions), { f1: binary });
  });

  it("f1, precision and recall take the positive class", () => {
    expectClose(over(f1(0), [0, 0, 0, 1], [0, 0, 1, 0]), { f1: 2 / 3 });
    expect(over(f1(2), [0, 1], [0, 1])).toEqual({ f1: 0 });
    expect(over(combineMetrics(precision(1), recall(1)), [0, 1, 1, 1], [1, 1, 0, 0])).toEqual({
      precision: 1 / 2,
      recall: 1 / 3,
    });
    expect(over(combineMetrics(precision(1), recall(1)), [0, 0], [0, 0])).toEqual({ precision: 0, recall: 0 });
  });
});

describe("metrics of numbers match scipy", () => {
  it.each(golden.numbers)("$name", ({ references, predictions, meanSquaredError: squared, ...expected }) => {
    const { pearson: r, spearman: rho } = expected;
    expectClose(over(combineMetrics(pearson(), spearman()), references, predictions), { pearson: r, spearman: rho });
    const found = over(meanSquaredError(), references, predictions);
    expectClose(found, { meanSquaredError: squared }, Math.max(1, squared));
  });

  it("equal values get the mean of their ranks", () => {
    expect([...averageRanks([3, 1, 3, 2, 3])]).toEqual([4, 1, 4, 2, 4]);
  });

  it("correlation is 0 if one side is constant, and never exceeds 1 by rounding", () => {
    expect(over(pearson(), [1, 2, 3], [0.1, 0.1, 0.1]).pearson).toBe(0);
    expect(over(pearson(), [0.1, 0.1, 0.1], [1, 2, 3]).pearson).toBe(0);
    expect(over(pearson(), [1, 4, 6], [1, 4, 6]).pearson).toBe(1);
    expect(over(pearson(), [1, 4, 6], [-1, -4, -6]).pearson).toBe(-1);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("%s is rejected when measured, with its row", (value) => {
    for (const metric of [pearson, spearman, meanSquaredError]) {
      expect(() => metric().measure(2, value, 2)).toThrow(`finite predictions, got ${value} in row 2`);
      expect(() => metric().measure(value, 1, 1)).toThrow(`finite references, got ${value} in row 1`);
    }
  });
});

describe("metrics of label sets match scikit-learn", () => {
  it.each(golden.labels)("$name", ({ references, predictions, micro, macro, subsetAccuracy: whole }) => {
    expectClose(over(combineMetrics(labelScores(), subsetAccuracy()), references, predictions), {
      microPrecision: micro.precision,
      microRecall: micro.recall,
      microF1: micro.f1,
      macroPrecision: macro.precision,
      macroRecall: macro.recall,
      macroF1: macro.f1,
      subsetAccuracy: whole,
    });
  });

  it("rows of different width are rejected", () => {
    for (const metric of [subsetAccuracy, labelScores]) {
      const sets = [
        [1, 0],
        [1, 0, 1],
      ];
      expect(() => over<LabelSet, LabelSet>(metric(), sets, sets)).toThrow(
        "Expected 2 labels in every row, but row 2 has 3 references and 3 predictions",
      );
      expect(() => metric().measure([1, 0], [1], 1)).toThrow("row 1 has 2 references and 1 predictions");
    }
  });
});

describe("metrics of tags match seqeval", () => {
  it.each(golden.tags)("$name", ({ references, predictions, wordAccuracy: words, lenient, strict }) => {
    expectClose(over(wordAccuracy(), references, predictions), { accuracy: words });
    expectClose(over(entityScores(), references, predictions), lenient);
    for (const [scheme, scores] of Object.entries(strict))
      expectClose(over(entityScores(scheme as TagScheme), references, predictions), scores);
  });

  it("entities have their bounds", () => {
    const tags = ["O", "I-X", "I-X", "I-Y", "B-Y", "O"];
    expect(lenientEntities(tags).map(({ type, start, end }) => `${type} ${start} ${end}`)).toEqual([
      "X 1 3",
      "Y 3 4",
      "Y 4 5",
    ]);
    expect(strictEntities(tags, "IOB2")).toEqual([{ type: "Y", start: 4, end: 5 }]);
    expect(lenientEntities(["B-X", ".", "B-Y"]).map(({ type, start }) => [type, start])).toEqual([
      ["X", 0],
      ["Y", 2],
    ]);
    expect(lenientEntities(["B-cell-type", "O", "B"]).map(({ type }) => type)).toEqual(["cell-type", "_"]);
    expect(strictEntities(["B-X-", "I-X"], "IOB2")).toEqual([{ type: "X", start: 0, end: 2 }]);
  });

  it("a truncated word counts as wrong, and its entity as missed", () => {
    const references = [["B-X", "O", "B-X", "O"]];
    expect(over(wordAccuracy(), references, [["B-X", null]])).toEqual({ accuracy: 0.25 });
    expectClose(over(entityScores(), references, [["B-X", null]]), { precision: 1, recall: 0.5, f1: 2 / 3 });
  });

  it("more predictions than words, and tags outside the scheme, are rejected", () => {
    for (const metric of [wordAccuracy(), entityScores()]) {
      expect(() => metric.measure(["O"], ["O", "O"], 2)).toThrow("at most 1 predicted labels in row 2, got 2");
    }
    expect(() => entityScores("IOB2").measure(["E-X"], ["O"], 1)).toThrow('got "E-X"');
  });
});

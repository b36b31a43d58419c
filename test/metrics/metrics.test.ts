import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import {
  accuracy,
  alignWords,
  averageRanks,
  binaryScores,
  entityScores,
  lenientEntities,
  macroAverage,
  matthewsCorrelation,
  meanSquaredError,
  microAverage,
  multiLabelMacro,
  multiLabelMicro,
  pearson,
  type Scores,
  spearman,
  strictEntities,
  subsetAccuracy,
  type TagScheme,
  tokenAccuracy,
} from "../../src/metrics/index.js";

interface Case<T> {
  name: string;
  references: T[];
  predictions: T[];
}
type Averages = { micro: Scores; macro: Scores };
interface Golden {
  classes: (Case<number> & Averages & { accuracy: number; matthews: number; binary?: Scores })[];
  numbers: (Case<number> & { pearson: number; spearman: number; meanSquaredError: number })[];
  labels: (Case<number[]> & Averages & { subsetAccuracy: number })[];
  tags: (Case<string[]> & {
    tokenAccuracy: number;
    lenient: Averages & { byType: Record<string, Scores & { support: number }> };
    strict: Partial<Record<TagScheme, Averages>>;
  })[];
}

const golden = JSON.parse(readFileSync(new URL("../golden/metrics/metrics.json", import.meta.url), "utf8")) as Golden;

function expectClose(actual: number, expected: number, scale = 1): void {
  expect(Math.abs(actual - expected), `${actual} against ${expected}`).toBeLessThanOrEqual(1e-12 * scale);
}

function expectScores(actual: Scores, expected: Scores): void {
  for (const key of ["precision", "recall", "f1"] as const) expectClose(actual[key], expected[key]);
}

describe("classes, as scikit-learn", () => {
  it.each(golden.classes)("$name", ({ references, predictions, ...expected }) => {
    expectClose(accuracy(references, predictions), expected.accuracy);
    expectClose(matthewsCorrelation(references, predictions), expected.matthews);
    expectScores(microAverage(references, predictions), expected.micro);
    expectScores(macroAverage(references, predictions), expected.macro);
    if (expected.binary) expectScores(binaryScores(references, predictions), expected.binary);
  });

  it("takes typed arrays and another positive class", () => {
    const scores = binaryScores(Int32Array.of(0, 0, 0, 1), Int32Array.of(0, 0, 1, 0), 0);
    expectScores(scores, { precision: 2 / 3, recall: 2 / 3, f1: 2 / 3 });
  });
});

describe("numbers, as scipy", () => {
  it.each(golden.numbers)("$name", ({ references, predictions, ...expected }) => {
    expectClose(pearson(references, predictions), expected.pearson);
    expectClose(spearman(references, predictions), expected.spearman);
    expectClose(
      meanSquaredError(references, predictions),
      expected.meanSquaredError,
      Math.max(1, expected.meanSquaredError),
    );
  });

  it("gives equal values the mean of their ranks", () => {
    expect([...averageRanks([3, 1, 3, 2, 3])]).toEqual([4, 1, 4, 2, 4]);
  });

  it("gives 0 where one side is constant, and stays within 1 where rounding would not", () => {
    expect(pearson([1, 2, 3], [0.1, 0.1, 0.1])).toBe(0);
    expect(pearson([0.1, 0.1, 0.1], [1, 2, 3])).toBe(0);
    expect(pearson([1, 4, 6], [1, 4, 6])).toBe(1);
    expect(pearson([1, 4, 6], [-1, -4, -6])).toBe(-1);
  });

  it.each([Number.NaN, Number.POSITIVE_INFINITY])("refuses %s and names its row", (value) => {
    for (const metric of [pearson, spearman, meanSquaredError]) {
      expect(() => metric([1, 2, 3], [4, value, 5])).toThrow(`finite predictions, row 2 is ${value}`);
    }
  });
});

describe("label sets, as scikit-learn", () => {
  it.each(golden.labels)("$name", ({ references, predictions, ...expected }) => {
    expectScores(multiLabelMicro(references, predictions), expected.micro);
    expectScores(multiLabelMacro(references, predictions), expected.macro);
    expectClose(subsetAccuracy(references, predictions), expected.subsetAccuracy);
  });

  it("refuses rows of another width", () => {
    expect(() => subsetAccuracy([[1, 0], [1]], [[1, 0], [1]])).toThrow("Expected 2 labels in every row, row 2 has 1");
    for (const metric of [subsetAccuracy, multiLabelMicro, multiLabelMacro]) {
      const [narrow, wide] = [
        [[1, 0], [1]],
        [
          [1, 0],
          [1, 0],
        ],
      ];
      expect(() => metric(narrow!, wide!)).toThrow("row 2 has 1 references and 2 predictions");
      expect(() => metric(wide!, narrow!)).toThrow("row 2 has 2 references and 1 predictions");
    }
  });
});

describe("tags, as seqeval", () => {
  it.each(golden.tags)("$name", ({ references, predictions, tokenAccuracy: expected, lenient, strict }) => {
    expectClose(tokenAccuracy(references, predictions), expected);
    const found = entityScores(references, predictions);
    expectScores(found.micro, lenient.micro);
    expectScores(found.macro, lenient.macro);
    expect([...found.byType.keys()]).toEqual(Object.keys(lenient.byType));
    for (const [type, scores] of found.byType) {
      expectScores(scores, lenient.byType[type]!);
      expect(scores.support).toBe(lenient.byType[type]!.support);
    }
    for (const [scheme, averages] of Object.entries(strict)) {
      const strictly = entityScores(references, predictions, scheme as TagScheme);
      expectScores(strictly.micro, averages.micro);
      expectScores(strictly.macro, averages.macro);
    }
  });

  it("finds entities with their bounds", () => {
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
    expect(strictEntities(["B-X-", "I-X"], "IOB2")).toEqual([{ type: "X", start: 0, end: 2 }]);
  });

  it("counts a word that was cut off as wrong, and its entity as missed", () => {
    const references = [["B-X", "O", "B-X", "O"]];
    expect(tokenAccuracy(references, [["B-X", null]])).toBe(0.25);
    expectScores(entityScores(references, [["B-X", null]]).micro, { precision: 1, recall: 0.5, f1: 2 / 3 });
  });

  it("refuses more predictions than words, and tags outside the scheme", () => {
    expect(() => alignWords([["O"]], [["O", "O"]])).toThrow("at most 1 predicted labels in row 1, 2 came");
    expect(() => strictEntities(["E-X"], "IOB2")).toThrow('"E-X" came');
  });
});

it("refuses rows that do not match, and no rows", () => {
  for (const metric of [accuracy, matthewsCorrelation, microAverage, macroAverage, binaryScores, pearson, spearman]) {
    expect(() => metric([1, 0], [1])).toThrow("2 references came with 1 predictions");
    expect(() => metric([], [])).toThrow("at least one row");
  }
  expect(() => tokenAccuracy([[]], [[]])).toThrow("at least one row");
});

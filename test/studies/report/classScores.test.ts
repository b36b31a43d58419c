import { readFileSync } from "node:fs";
import { describe, expect, it } from "vitest";
import { classScores, confusion, entityTypeScores, scoresByLabel } from "../../../src/studies/report/classTables.js";
import { entityScores } from "../../../src/tasks/metrics/wordLabels.js";

const golden = JSON.parse(readFileSync(new URL("../../golden/compare/classes.json", import.meta.url), "utf8"));
const names: string[] = golden.names;

interface Columns {
  readonly precision: readonly number[];
  readonly recall: readonly number[];
  readonly f1: readonly number[];
  readonly support: readonly number[];
}

function expectColumns(found: ReturnType<typeof classScores>, columns: Columns): void {
  expect(found.map(({ name }) => name)).toEqual(names);
  for (const key of ["precision", "recall", "f1", "support"] as const)
    for (const [i, scores] of found.entries())
      expect(scores[key], `${key} of ${names[i]}`).toBeCloseTo(columns[key][i]!, 11);
}

describe("scores of classes", () => {
  const { reference, prediction, confusion: matrix } = golden.classes;
  const rows = (reference as string[]).map((one, i) => ({ reference: one, prediction: prediction[i] as string }));

  it("match scikit-learn", () => expectColumns(classScores(names, rows), golden.classes));

  it("match scikit-learn's confusion matrix, references by row and predictions by column", () => {
    expect(matrix).not.toEqual(names.map((_, i) => names.map((_, j) => matrix[j][i])));
    expect(confusion(names, rows)).toEqual(matrix);
  });

  it("count a row without a prediction as a reference only", () => {
    expect(classScores(["a", "b"], [{ reference: "a", prediction: null }])).toEqual([
      { name: "a", support: 1, precision: 0, recall: 0, f1: 0 },
      { name: "b", support: 0, precision: 0, recall: 0, f1: 0 },
    ]);
  });

  it("ignore classes that the confusion matrix does not list", () => {
    const all = [...rows, { reference: "beta", prediction: null }];
    expect(confusion(["beta", "alpha"], all)).toEqual([
      [matrix[1][1], matrix[1][0]],
      [matrix[0][1], matrix[0][0]],
    ]);
  });
});

it("scores of labels match scikit-learn", () => {
  const named = (row: readonly number[]) => names.filter((_, i) => row[i] === 1);
  const { reference, prediction } = golden.labels as { reference: number[][]; prediction: number[][] };
  const rows = reference.map((row, i) => ({ reference: named(row), prediction: named(prediction[i]!) }));
  expectColumns(scoresByLabel(names, rows), golden.labels);
});

describe("scores of entity types", () => {
  const { reference, prediction, types } = golden.entities;
  const rows = (reference as string[][]).map((one, i) => ({ reference: one, prediction: prediction[i] as string[] }));

  it("match seqeval", () => {
    const found = entityTypeScores(rows, [])!;
    expect(found.map(({ name }) => name)).toEqual(Object.keys(types));
    for (const { name, precision, recall, f1, support } of found) {
      expect(support).toBe(types[name].support);
      expect(precision).toBeCloseTo(types[name].precision, 11);
      expect(recall).toBeCloseTo(types[name].recall, 11);
      expect(f1).toBeCloseTo(types[name]["f1-score"], 11);
    }
  });

  it("read BILOU, and are undefined for labels that mark no entities", () => {
    const scores = (tags: readonly string[]) =>
      entityTypeScores([{ reference: tags, prediction: tags }], [])?.map(({ name, f1, support }) => [
        name,
        f1,
        support,
      ]);
    expect(scores(["U-X", "B-Y", "I-Y", "L-Y"])).toEqual([
      ["X", 1, 1],
      ["Y", 1, 1],
    ]);
    expect(scores(["NOUN", "O"])).toBe(undefined);
    expect(scores(["U-X", "S-Y"])).toBe(undefined);
  });

  it("follow the model's tagging scheme even if the rows lack the tags specific to it", () => {
    const rows = [{ reference: ["B-X", "I-X", "O"], prediction: ["B-X", "I-X", "O"] }];
    const f1 = (labels: readonly string[]) => entityTypeScores(rows, labels)?.map((scores) => scores.f1);
    expect(f1(["O", "B-X", "I-X"])).toEqual([1]);
    // In BILOU an entity of two words ends with L: all entities here are malformed, as for the metric over all types.
    expect(f1(["O", "B-X", "I-X", "L-X", "U-X"])).toEqual([]);
    // Two words for a single one: no scheme has both.
    expect(f1(["O", "B-X", "I-X", "U-X", "S-X"])).toBe(undefined);
  });

  it("count truncated words as outside, as the metric over all types", () => {
    const cut = [{ reference: ["B-PER", "I-PER", "O", "B-LOC"], prediction: ["B-PER", "I-PER", null] }];
    expect(entityTypeScores(cut, [])?.map(({ name, f1, support }) => [name, f1, support])).toEqual([
      ["LOC", 0, 1],
      ["PER", 1, 1],
    ]);
    const metric = entityScores();
    const all = metric.result(cut.map((row, i) => metric.measure(row.reference, row.prediction, i + 1)));
    expect(all.recall).toBe(0.5);
  });
});

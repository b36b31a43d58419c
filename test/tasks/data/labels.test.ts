import { describe, expect, it } from "vitest";
import { type Example, LabelMap, labelMap } from "../../../src/tasks/data/index.js";
import { findNamed, modelLabels, positiveLabel } from "../../../src/tasks/data/labels.js";
import { knownPositive, namedDatasets } from "../../../src/tasks/datasets/index.js";

const at = { file: "rows.jsonl", line: 7 };

function texts(...labels: readonly (string | number | readonly string[] | undefined)[]): Example[] {
  return labels.map((label) => ({ input: ["a"], label, at }));
}

describe("label order", () => {
  it("integer labels sort by value, names by code point", () => {
    expect(labelMap(texts("10", 9, "-1", 9)).names).toEqual(["-1", "9", "10"]);
    // U+1F600 comes after U+FF01, though its first UTF-16 unit is smaller.
    expect(labelMap(texts("\u{1F600}", "\uFF01", "b", "B", "ä")).names).toEqual(["B", "b", "ä", "\uFF01", "\u{1F600}"]);
    expect(labelMap(texts(["y", "x"], [], ["z"])).names).toEqual(["x", "y", "z"]);
  });

  it("word labels are collected from all words", () => {
    const words: Example = { input: ["a", "b"], label: ["O", "B-X"], at };
    expect(labelMap([words]).names).toEqual(["B-X", "O"]);
  });

  it("the checkpoint's order is kept if its names fit, ignoring case", () => {
    const checkpoint = ["CONTRADICTION", "NEUTRAL", "ENTAILMENT"];
    const labels = labelMap(texts("entailment", "neutral"), { checkpoint });
    expect(labels.names).toEqual(checkpoint);
    expect(labels.indexOf("entailment", at)).toBe(2);
    expect(labelMap(texts("yes", "no"), { checkpoint }).names).toEqual(["no", "yes"]);
  });

  it("integer labels are the checkpoint's ids", () => {
    const labels = labelMap(texts(0, "1"), { checkpoint: ["LABEL_0", "LABEL_1", "LABEL_2"] });
    expect(labels.names.length).toBe(3);
    expect(labels.indexOf(2, at)).toBe(2);
    expect(labelMap(texts(0, 3), { checkpoint: ["LABEL_0", "LABEL_1"] }).names).toEqual(["0", "3"]);
    expect(labelMap(texts(1, 0), { checkpoint: ["1", "0"] }).indexOf(1, at)).toBe(0);
  });

  it("integer labels are not ids where the checkpoint's names are other integers", () => {
    const checkpoint = ["1", "2", "3"];
    expect(labelMap(texts(0, 1, 2), { checkpoint }).names).toEqual(["0", "1", "2"]);
    const used = modelLabels(texts(0, 1, 2), { checkpoint });
    expect(() => used.indexOf(0, at)).toThrow("the label 0 is not one of the known labels: 1, 2, 3.");
    expect(modelLabels(texts(2), { checkpoint: ["0", "1", "other"] }).find(2)).toBe(2);
  });

  it("the data set's order is kept, unless the checkpoint has the same names in another order", () => {
    const dataset = ["entailment", "not_entailment"];
    const rows = texts("not_entailment");
    expect(labelMap(rows, { dataset }).names).toEqual(dataset);
    expect(labelMap(rows, { dataset, checkpoint: ["LABEL_0", "LABEL_1"] }).names).toEqual(dataset);
    const checkpoint = ["not_entailment", "entailment"];
    expect(labelMap(rows, { dataset, checkpoint }).names).toEqual(checkpoint);
  });
});

it("a file with a named data set's label names fits a checkpoint with placeholders", () => {
  const numbered = ["not_equivalent", "equivalent"];
  const checkpoint = ["LABEL_0", "LABEL_1"];
  expect(labelMap(texts("equivalent", "not_equivalent"), { checkpoint, numbered }).names).toEqual(numbered);
  expect(labelMap(texts("equivalent", "other"), { checkpoint, numbered }).names).toEqual(["equivalent", "other"]);
});

describe("the positive label of two", () => {
  const { "glue/mrpc": mrpc, "glue/qqp": qqp } = namedDatasets;

  it("a data set's positive label is found by name or by id", () => {
    const find = (labels: string[], { labelNames, positive }: typeof mrpc) =>
      findNamed(new LabelMap(labels), labelNames, positive!);
    expect(find(["Equivalent", "not_equivalent"], mrpc)).toBe(0);
    expect(find(["not_duplicate", "duplicate"], qqp)).toBe(1);
    expect(find(["1", "0"], mrpc)).toBe(0);
  });

  it.each([
    [["1", "0"], 0],
    [["False", "TRUE"], 1],
    [["Yes", "no"], 0],
    [["NEGATIVE", "Positive"], 1],
  ] as const)("of %o it is the label %d, however rare the other is", (names, positive) => {
    const labels = new LabelMap(names);
    expect(positiveLabel(labels)).toBe(positive);
    expect(positiveLabel(labels, texts(names[positive], names[positive], names[1 - positive]))).toBe(positive);
  });

  it("it is 1 of rows with 0 and 1, whatever a checkpoint calls them", () => {
    expect(positiveLabel(labelMap(texts(0, 1), { checkpoint: ["pos", "neg"] }))).toBe(1);
  });

  it("it is the rarer label of the rows, else the later by value or name", () => {
    const labels = new LabelMap(["spam", "ham"]);
    expect(positiveLabel(labels, texts("spam", "spam", "ham"))).toBe(1);
    expect(positiveLabel(labels, texts("ham", "spam", "ham"))).toBe(0);
    expect(positiveLabel(labels, texts("ham", "spam"))).toBe(0);
    expect(positiveLabel(new LabelMap(["10", "9"]))).toBe(0);
  });
});

it("a recorded positive label is found by its name, or by its place if the outputs were renamed since, else it is the second", () => {
  const saved = { labels: ["ham", "spam"], positiveLabel: "spam" };
  expect(knownPositive(["ham", "spam"], saved)).toBe(1);
  expect(knownPositive(["spam", "ham"], saved)).toBe(0);
  expect(knownPositive(["good", "bad"], saved)).toBe(1);
  expect(knownPositive(["good", "bad"], { ...saved, positiveLabel: "ham" })).toBe(0);
  expect(knownPositive(["good", "bad"], undefined)).toBe(1);
});

describe("labels at inference", () => {
  const dataset = ["no", "yes"];

  it("a model with placeholders gets the data set's names", () => {
    for (const checkpoint of [
      ["LABEL_0", "LABEL_1"],
      ["0", "1"],
    ])
      expect(modelLabels(texts(), { checkpoint, dataset, numbered: dataset }).names).toEqual(dataset);
    const others = { dataset, numbered: dataset };
    expect(modelLabels(texts("no"), { checkpoint: ["LABEL_1", "LABEL_0"], ...others }).names).toEqual([
      "LABEL_1",
      "LABEL_0",
    ]);
    expect(modelLabels(texts("no"), { checkpoint: ["LABEL_0"], ...others }).names).toEqual(["LABEL_0"]);
  });

  it("a model with placeholders gets no names whose order only the files define", () => {
    const checkpoint = ["LABEL_0", "LABEL_1"];
    expect(modelLabels(texts(), { checkpoint, dataset }).names).toEqual(checkpoint);
    expect(modelLabels(texts(), { checkpoint, dataset, numbered: [] }).names).toEqual(checkpoint);
  });

  it("a model with placeholders gets a named data set's names from its file", () => {
    const stand = { checkpoint: ["LABEL_0", "LABEL_1"], numbered: dataset };
    expect(modelLabels(texts("yes"), stand).names).toEqual(dataset);
    expect(labelMap(texts("yes", "no"), { ...stand, numbered: ["yes", "no"] }).names).toEqual(["yes", "no"]);
    expect(modelLabels(texts("maybe"), stand).names).toEqual(stand.checkpoint);
    expect(modelLabels(texts("yes"), { ...stand, checkpoint: ["LABEL_0"] }).names).toEqual(["LABEL_0"]);
  });

  it("integer labels are the model's ids, or those of a data set with the same names", () => {
    const checkpoint = ["YES", "no"];
    expect(modelLabels(texts(0), { checkpoint }).find(0)).toBe(0);
    expect(modelLabels(texts(0), { checkpoint, numbered: dataset }).find(0)).toBe(1);
    expect(modelLabels(texts(0), { checkpoint, numbered: ["no", "maybe"] }).find(0)).toBe(0);
  });
});

it("an error for an unknown label names the row", () => {
  expect(() => labelMap(texts("a", "b")).indexOf("c", at)).toThrow(
    "rows.jsonl line 7: the label c is not one of the known labels: a, b.",
  );
  expect(() => labelMap(texts(undefined))).toThrow("No row has a label");
});

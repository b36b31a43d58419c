import { expect, test } from "vitest";
import { inferTask } from "../../src/tasks/index.js";

const SEQUENCE = { architectures: ["BertForSequenceClassification"] };

test("labels are ordered by id, not as in the file", () => {
  const id2label = {
    "10": "k",
    "2": "c",
    "0": "a",
    "1": "b",
    "3": "d",
    "4": "e",
    "5": "f",
    "6": "g",
    "7": "h",
    "8": "i",
    "9": "j",
  };
  const head = inferTask({ architectures: ["RobertaForTokenClassification"], id2label, problem_type: null });
  expect(head).toEqual({ kind: "token-classification", labels: [..."abcdefghijk"] });
});

test.each([
  [{ problem_type: "regression", id2label: { "0": "LABEL_0" } }, "regression", ["LABEL_0"]],
  [{ id2label: { "0": "score" } }, "regression", ["score"]],
  [{ problem_type: "multi_label_classification", id2label: { "0": "x" } }, "multi-label-classification", ["x"]],
  [
    { problem_type: "single_label_classification", label2id: { no: 1, yes: 0 } },
    "sequence-classification",
    ["yes", "no"],
  ],
  [{}, "sequence-classification", ["LABEL_0", "LABEL_1"]],
  // label2id may still say what it said before the labels were named.
  [{ id2label: { "0": "a", "1": "b" }, label2id: { LABEL_0: 0, LABEL_1: 1 } }, "sequence-classification", ["a", "b"]],
  [{ num_labels: 3 }, "sequence-classification", ["LABEL_0", "LABEL_1", "LABEL_2"]],
])("%o", (config, kind, labels) => {
  expect(inferTask({ ...SEQUENCE, ...config })).toEqual({ kind, labels });
});

test.each([{}, { architectures: ["BertModel"] }, { architectures: ["BertForMaskedLM"], num_labels: 2 }])(
  "%o has no head",
  (config) => {
    expect(inferTask(config)).toBeUndefined();
  },
);

test.each([
  [{ id2label: { "1": "a", "2": "b" } }, /numbered 0, 1, 2, …, but their ids are 1, 2\./],
  [{ id2label: {} }, /ids are missing/],
  ...["ranking", "constructor", "toString", "__proto__"].map((name): [object, RegExp] => [
    { problem_type: name },
    new RegExp(`problem_type "${name}" is not known; expected one of single_label_classification, multi_label`),
  ]),
  [{ problem_type: "regression" }, /"regression", which needs 1 output, but there are 2/],
  [
    { problem_type: "single_label_classification", num_labels: 1 },
    /"single_label_classification", which needs at least 2 outputs, but there are 1/,
  ],
  [{ num_labels: 1e9 }, /num_labels is 1000000000; expected at most 1000000\./],
  [{ num_labels: "3" }, /num_labels must be a whole number of at least 1, but is "3"/],
  [{ num_labels: 3, id2label: { "0": "a", "1": "b" } }, /num_labels is 3, but there are 2 label names/],
  [{ id2label: { "0": "a", "1": "a" } }, /the label "a" has two ids, 0 and 1/],
  [{ id2label: { "0": "a", "": "b" } }, /their ids are 0, NaN/],
  [{ label2id: { a: 0, b: null } }, /their ids are/],
  [{ id2label: { "0": "a", "1": "b" }, label2id: { a: 1, b: 0 } }, /"a" has id 0 in id2label, but 1 in label2id/],
])("refuses %o", (config, message) => {
  expect(() => inferTask({ ...SEQUENCE, ...config })).toThrow(message);
});

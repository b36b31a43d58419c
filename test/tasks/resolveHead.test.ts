import { expect, test } from "vitest";
import { loraConfig, type SavedAdapter } from "../../src/models/adapters/index.js";
import { ARCHITECTURES } from "../../src/models/architectures.js";
import { resolveHead, TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";

const THREE = { architectures: ["BertForSequenceClassification"], id2label: { "0": "a", "1": "b", "2": "c" } };

/** An adapter of another program, whose head has so many outputs. */
function adapterOf(outputs: number, taskType = "SEQ_CLS"): SavedAdapter {
  const tensors = new Map([["classifier.weight", torch.zeros([outputs, 4])]]);
  return { config: loraConfig(), tensors, taskType, baseModel: undefined, revision: undefined, metadata: undefined };
}

const headOf = (adapter: SavedAdapter, wanted?: Parameters<typeof resolveHead>[3]) => {
  const { kind, labels } = resolveHead(ARCHITECTURES.bert, THREE, { adapter, metadata: undefined }, wanted);
  return { kind, labels };
};

test("an adapter's head has the checkpoint's labels only if it has as many outputs", () => {
  expect(headOf(adapterOf(3))).toEqual({ kind: "sequence-classification", labels: ["a", "b", "c"] });
  expect(headOf(adapterOf(2))).toEqual({ kind: "sequence-classification", labels: ["LABEL_0", "LABEL_1"] });
  expect(headOf(adapterOf(1))).toEqual({ kind: "regression", labels: ["LABEL_0"] });
  expect(headOf(adapterOf(3, "TOKEN_CLS"))).toMatchObject({ kind: "token-classification" });
});

test("an adapter's head whose outputs do not fit the given task is refused", () => {
  const wanted = { kind: "regression", task: TASKS.regression } as never;
  expect(headOf(adapterOf(1), wanted).labels).toEqual(["LABEL_0"]);
  expect(() => headOf(adapterOf(2), wanted)).toThrow("has 2 outputs, which do not fit regression");
});

import * as z from "zod";
import { argmax } from "../base/index.js";
import { crossEntropy } from "../models/nn/index.js";
import * as torch from "../torch/index.js";
import type { EncodedExample, ExampleOutputs } from "./batch.js";
import { targetOf } from "./batch.js";
import { lossOfShares, mostFrequent } from "./constant.js";
import { LabelMap, loadTexts, readName, type TextExample } from "./data/index.js";
import { positiveLabel } from "./data/labels.js";
import { mapPrediction } from "./metrics/index.js";
import { namedMetrics, type Scorer, type ScorerOptions } from "./scorer.js";
import type { ConstantPredictor, Task } from "./task.js";
import { encodeTexts, labelMismatch, SEQUENCE_HEAD, softmax, writtenLogits } from "./texts.js";

/** The most likely label of an example. */
export interface ClassPrediction {
  readonly label: string;
  /** The label's softmax probability. */
  readonly score: number;
  readonly logits: readonly number[];
}

const constantOf = (label: ConstantPredictor["answer"]) => ({ answer: label, of: () => ({ label }) });

/** One of several labels for one or two texts. */
export const sequenceClassification: Task<
  TextExample<string | number>,
  EncodedExample<number>,
  ClassPrediction,
  number
> = {
  rows: "one or two texts, a label",
  head: SEQUENCE_HEAD,
  peftTaskType: "SEQ_CLS",
  problem: { type: "single_label_classification", outputs: [2, Number.POSITIVE_INFINITY], isAssumed: true },
  read: (file, options) => loadTexts(file, { read: readName }, options),
  reference,
  encode: (examples, tokenizer, options) =>
    encodeTexts(examples, tokenizer, options, (example) => reference(example, options.labels)),
  weight: () => 1,
  loss: (outputs, { examples }) =>
    crossEntropy(outputs, torch.tensor(examples.map(targetOf), [examples.length], "int64", outputs.device)),
  constantLoss: (known, examples) => lossOfShares(known.map(targetOf), examples.map(targetOf)),
  constantPrediction: (known, labels) => constantOf(labels[mostFrequent(known.map(targetOf)) ?? 0]!),
  constantOf,
  mistake: ({ label, score = 1 }, id, labels) => (label === labels[id] ? undefined : score),
  predict([outputs], _rows, labels) {
    const logits = (outputs as ExampleOutputs).vector();
    const best = argmax(logits);
    return { label: labels[best] as string, score: softmax(logits)[best] as number, logits: Array.from(logits) };
  },
  prediction: z.object({ label: z.union([z.string(), z.number().transform(String)]), logits: writtenLogits }),
  scorer,
};

/** The label's id. */
function reference({ label, at }: TextExample<string | number>, labels: LabelMap | undefined): number {
  if (!labels || label === undefined || typeof label === "object") throw labelMismatch(label, at, "one name");
  return labels.indexOf(label, at);
}

function scorer({ labels, metrics, positive }: ScorerOptions): Scorer<number, ClassPrediction> {
  const map = new LabelMap(labels);
  const usual = labels.length === 2 ? (["accuracy", "f1"] as const) : (["accuracy", "macro-f1"] as const);
  const { metric, ...facts } = namedMetrics(metrics ?? usual, positive ?? positiveLabel(map));
  return { ...facts, metric: mapPrediction(metric, ({ label }) => map.find(label) as number) };
}

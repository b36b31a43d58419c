import { max } from "d3-array";
import * as z from "zod";
import { binaryCrossEntropy } from "../models/nn/index.js";
import * as torch from "../torch/index.js";
import type { EncodedExample, ExampleOutputs } from "./batch.js";
import { targetOf } from "./batch.js";
import { bestLabelSet, lossOfShares } from "./constant.js";
import { type LabelMap, loadTexts, type TextExample } from "./data/index.js";
import { readLabels } from "./data/table.js";
import { combineMetrics, type LabelSet, labelScores, mapPrediction, subsetAccuracy } from "./metrics/index.js";
import type { ConstantPredictor, Task } from "./task.js";
import { encodeTexts, labelMismatch, SEQUENCE_HEAD, writtenLogits } from "./texts.js";

/** An example's predicted labels. */
export interface LabelsPrediction {
  /** Labels with a score of at least 0.5. */
  readonly labels: readonly string[];
  /** The probability of each label. */
  readonly scores: readonly number[];
  readonly logits: readonly number[];
}

const constantOf = (labels: ConstantPredictor["answer"]) => ({ answer: labels, of: () => ({ labels }) });

/** Any number of labels for one or two texts. */
export const multiLabelClassification: Task<
  TextExample<readonly string[]>,
  EncodedExample<readonly number[]>,
  LabelsPrediction,
  readonly number[]
> = {
  rows: "one or two texts, a list of distinct labels, or one 0/1 column per label",
  head: SEQUENCE_HEAD,
  peftTaskType: "SEQ_CLS",
  problem: { type: "multi_label_classification", outputs: [1, Number.POSITIVE_INFINITY], isAssumed: false },
  read: (file, options) => loadTexts(file, { read: readLabels, ofNames: (names) => names }, options),
  reference,
  encode: (examples, tokenizer, options) =>
    encodeTexts(examples, tokenizer, options, (example) => reference(example, options.labels)),
  weight: () => 1,
  loss: (outputs, { examples }) =>
    binaryCrossEntropy(outputs, torch.tensor(examples.flatMap(targetOf), outputs.shape, outputs.dtype, outputs.device)),
  constantLoss(known, examples) {
    const [before, now] = [known.map(targetOf), examples.map(targetOf)];
    const ofLabel = (id: number) =>
      lossOfShares(
        before.map((target) => target[id]!),
        now.map((target) => target[id]!),
      );
    return now[0]!.reduce((sum, _, id) => sum + ofLabel(id), 0) / now[0]!.length;
  },
  constantPrediction: (known, names) => constantOf(bestLabelSet(known.map(targetOf)).map((id) => names[id]!)),
  constantOf,
  mistake({ labels, scores }, reference, names) {
    const sureness = (score = 1) => Math.max(score, 1 - score);
    const wrong = names.map((name, id) => labels.includes(name) !== (reference[id] === 1) && sureness(scores?.[id]));
    return max(wrong.filter((one) => one !== false));
  },
  predict([outputs], _rows, labels) {
    const logits = (outputs as ExampleOutputs).vector();
    const scores = Array.from(logits, (value) => 1 / (1 + Math.exp(-value)));
    return { labels: labels.filter((_, i) => (scores[i] as number) >= 0.5), scores, logits: Array.from(logits) };
  },
  prediction: z.object({ labels: z.array(z.string()), logits: writtenLogits }),
  scorer: ({ labels }) => ({
    main: "microF1",
    metric: mapPrediction(combineMetrics<LabelSet, LabelSet>(labelScores(), subsetAccuracy()), (prediction) => {
      const found = new Set(prediction.labels);
      return labels.map((name) => (found.has(name) ? 1 : 0));
    }),
  }),
};

/** 0 or 1 for each label. */
function reference({ label, at }: TextExample<readonly string[]>, labels: LabelMap | undefined): readonly number[] {
  if (!labels || typeof label !== "object") throw labelMismatch(label, at, "names");
  const ids = new Set(label.map((name) => labels.indexOf(name, at)));
  return labels.names.map((_, id) => (ids.has(id) ? 1 : 0));
}

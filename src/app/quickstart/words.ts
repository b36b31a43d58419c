/** A linear model on words, which a fine-tuned model has to beat: logistic regression on tf-idf, as scikit-learn computes both. */
import { group } from "d3-array";
import { argmax } from "../../base/index.js";
import type { Metrics } from "../../base/records/index.js";
import { labelMap } from "../../tasks/data/index.js";
import { positiveOf, taskOf } from "../../tasks/datasets/index.js";
import { sequenceClassification } from "../../tasks/index.js";
import { score } from "../../tasks/metrics/parts/index.js";
import * as torch from "../../torch/index.js";

/** The metrics of the model on the rows of `validation` after it was fitted to those of `train`. */
export async function wordsMetrics({ train = "", validation = "" }): Promise<Metrics> {
  const { read, reference, scorer } = sequenceClassification;
  const [{ examples: known }, { examples: asked }] = [await read(train, {}), await read(validation, {})];
  const labels = labelMap(known);
  const textsOf = (examples: typeof known) => examples.map(({ input }) => [input].flat().join(" "));
  const idsOf = (examples: typeof known) => examples.map((example) => reference(example, labels)!);
  const [ids, scores] = [idsOf(asked), wordsScores(textsOf(known), idsOf(known), textsOf(asked))];
  const predicted = scores.map((logits) => ({ label: labels.names[argmax(logits)]!, score: 0, logits }));
  const { metric } = scorer({
    labels: labels.names,
    positive: positiveOf(taskOf("sequence-classification"), labels, { examples: known }),
  });
  return score(
    metric,
    predicted.map((one, row) => [ids[row]!, one]),
  );
}

/**
 * Minimizes ½‖W‖² (without the intercepts) plus the cross-entropies of the texts, in which all classes weigh the same, by Nesterov's gradient
 * method. The curvature is 1 to 1 + the number of texts.
 * @param classes of the texts, from 0
 * @returns the scores of other texts for each class
 */
export function wordsScores(texts: readonly string[], classes: readonly number[], asked: readonly string[]) {
  const featuresOf = tfIdf(texts);
  const count = 1 + Math.max(...classes);
  const step = 1 / (1 + texts.length);
  const momentum = (1 - Math.sqrt(step)) / (1 + Math.sqrt(step));
  return torch.scope((): number[][] => {
    const x = matrix(texts.map(featuresOf)); // N,F
    const targets = matrix(classes.map((own) => Array.from({ length: count }, (_, c) => Number(c === own)))); // N,C
    const balance = matrix(classes.map((own) => [texts.length / count / classes.filter((c) => c === own).length]));
    const penalty = matrix(Array.from({ length: x.shape[1]! }, (_, f) => [Number(f > 0)]));
    let weights = torch.mulScalar(torch.matmul(torch.transpose(x, 0, 1), targets), 0); // F,C
    let before = weights;
    // 1 / √step steps divide the error by about e.
    for (let left = 30 / Math.sqrt(step); left > 0; left--) {
      const next = torch.scope(() => {
        const ahead = torch.add(weights, torch.sub(weights, before), { alpha: momentum });
        const errors = torch.mul(torch.sub(torch.softmax(torch.matmul(x, ahead), 1), targets), balance);
        const slope = torch.matmul(torch.transpose(x, 0, 1), errors);
        return torch.sub(ahead, torch.add(torch.mul(ahead, penalty), slope), { alpha: step });
      });
      [before, weights] = [weights, next];
    }
    const scores = torch.matmul(matrix(asked.map(featuresOf)), weights).toArray();
    return asked.map((_, row) => scores.slice(row * count, (row + 1) * count));
  });
}

const matrix = (rows: readonly (readonly number[])[]): torch.Tensor =>
  torch.tensor(rows.flat(), [rows.length, rows[0]!.length], "float64");

/** 1, then for each word of two characters and more how often a text has it times how rare it is, scaled to a length of 1. */
function tfIdf(texts: readonly string[]): (text: string) => number[] {
  const known = texts.map(wordsOf);
  const words = [...new Set(known.flat())];
  const rows = words.map((word) => known.filter((row) => row.includes(word)).length);
  return (text) => {
    const own = group(wordsOf(text), (word) => word);
    const values = words.map(
      (word, i) => (own.get(word)?.length ?? 0) * (Math.log((1 + texts.length) / (1 + rows[i]!)) + 1),
    );
    const length = Math.hypot(...values) || 1;
    return [1, ...values.map((value) => value / length)];
  };
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? [];

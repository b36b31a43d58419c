/** A linear model on words, which a fine-tuned model has to beat: logistic regression on tf-idf, as scikit-learn computes both. */
import { argmax } from "../../base/index.js";
import type { Metrics } from "../../base/records/index.js";
import { labelMap, type TextExample } from "../../tasks/data/index.js";
import { sequenceClassification, softmax } from "../../tasks/index.js";
import { score } from "../../tasks/metrics/parts/index.js";

/** The values of a row's features, by their numbers; the first feature is 1, for the intercept. */
type Features = ReadonlyMap<number, number>;

/** The metrics of the model on the rows of `validation` after it was fitted to those of `train`. */
export async function wordsMetrics({ train, validation }: { train: string; validation: string }): Promise<Metrics> {
  const known = (await sequenceClassification.read(train, {})).examples;
  const labels = labelMap(known);
  const classOf = (example: TextExample<string | number>) => sequenceClassification.reference(example, labels)!;
  const predict = wordsModel(known.map(textOf), known.map(classOf), labels.names.length);
  const { metric } = sequenceClassification.scorer({ labels: labels.names });
  const asked = (await sequenceClassification.read(validation, {})).examples.map((example) => {
    const logits = predict(textOf(example));
    const best = argmax(logits);
    return [classOf(example), { label: labels.names[best]!, score: logits[best]!, logits }] as const;
  });
  return score(metric, asked);
}

const textOf = ({ input }: TextExample): string => [input].flat().join(" ");

/**
 * Fits the model. @returns a text's score for each class
 * @param classes of each text, from 0
 */
export function wordsModel(texts: readonly string[], classes: readonly number[], count: number) {
  const featuresOf = tfIdf(texts);
  const weights = fitted(texts.map(featuresOf), classes, count);
  return (text: string): number[] => [...scoresOf(featuresOf(text), weights)];
}

/** Words of two characters and more, in lower case: their number in the text times how rare they are, scaled to a length of 1. */
function tfIdf(texts: readonly string[]): (text: string) => Features {
  const rows = texts.map((text) => new Set(wordsOf(text)));
  const words = [...new Set(rows.flatMap((row) => [...row]))];
  const counts = words.map((word) => rows.filter((row) => row.has(word)).length);
  const known = new Map(
    words.map((word, i) => [word, [i + 1, Math.log((1 + texts.length) / (1 + counts[i]!)) + 1] as const]),
  );
  return (text) => {
    const features = new Map<number, number>();
    for (const word of wordsOf(text)) {
      const [feature, rarity] = known.get(word) ?? [];
      if (feature !== undefined) features.set(feature, (features.get(feature) ?? 0) + rarity!);
    }
    const length = Math.hypot(...features.values());
    return new Map([[0, 1], ...Array.from(features, ([feature, value]) => [feature, value / length] as const)]);
  };
}

const wordsOf = (text: string): string[] => text.toLowerCase().match(/[\p{L}\p{N}_]{2,}/gu) ?? [];

/** The weights of each class, by feature. */
type Weights = readonly Float64Array[];

/**
 * Minimizes ½‖W‖² (without the intercepts) plus the cross-entropies of all rows, in which each class counts the same, by Nesterov's
 * gradient method. The cross-entropies' curvature is at most the number of rows, and the penalty's is 1.
 */
function fitted(rows: readonly Features[], classes: readonly number[], count: number): Weights {
  const features = 1 + Math.max(...rows.flatMap((row) => [...row.keys()]));
  const balance = Array.from(
    { length: count },
    (_, c) => rows.length / count / classes.filter((one) => one === c).length,
  );
  const step = 1 / (1 + rows.length);
  const momentum = (1 - Math.sqrt(step)) / (1 + Math.sqrt(step));
  let before: Weights = Array.from({ length: count }, () => new Float64Array(features));
  let weights = before;
  for (let left = STEPS / Math.sqrt(step); left > 0; left--) {
    const ahead = weights.map((own, c) => own.map((value, f) => value + momentum * (value - before[c]![f]!)));
    const gradient = ahead.map((own) => own.map((value, f) => (f === 0 ? 0 : value)));
    for (const [row, features] of rows.entries()) {
      const shares = softmax(scoresOf(features, ahead));
      for (const [c, share] of shares.entries()) {
        const error = balance[classes[row]!]! * (share - Number(c === classes[row]));
        for (const [feature, value] of features) gradient[c]![feature]! += error * value;
      }
    }
    before = weights;
    weights = ahead.map((own, c) => own.map((value, f) => value - step * gradient[c]![f]!));
  }
  return weights;
}

/** Steps for each unit of √(condition number): the error shrinks to about e^-30 of what it was. */
const STEPS = 30;

const scoresOf = (features: Features, weights: Weights): Float64Array =>
  Float64Array.from(weights, (own) => Array.from(features).reduce((sum, [f, value]) => sum + value * own[f]!, 0));

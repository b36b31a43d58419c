/** Metrics whose values are functions of sums over examples, and fast scoring of samples of examples by these sums. */
import { once, perCorpus } from "@bidora/text-metrics";
import { atLeastOne, type Metric, type MetricValue, type Sums } from "./metric.js";

/** A metric whose values are functions of sums over examples. @param sumsOf the sums, for samples of a corpus */
export function overSums<Reference, Prediction, Measured>(
  values: Metric<Reference, Prediction, Measured>["values"],
  measure: Metric<Reference, Prediction, Measured>["measure"],
  sumsOf: (corpus: readonly Measured[]) => Sums<Measured>,
): Metric<Reference, Prediction, Measured> {
  return {
    values,
    measure,
    sums: sumsOf,
    result(examples) {
      // Added in the order of these examples, so a sample gets bit for bit the score that it alone would get.
      const { width, add, result } = sumsOf(examples);
      const sums = new Float64Array(width);
      for (const example of examples) add(example, sums);
      return result(sums, examples.length);
    },
  };
}

/** The mean over examples of a measured number. @param name its name in the result */
export function meanOverRows<Reference, Prediction>(
  name: string,
  value: MetricValue,
  measure: Metric<Reference, Prediction, number>["measure"],
): Metric<Reference, Prediction, number> {
  return overSums({ [name]: value }, measure, () => ({
    width: 1,
    add(value, sums) {
      sums[0]! += value;
    },
    result: (sums, examples) => ({ [name]: sums[0]! / atLeastOne(examples) }),
  }));
}

/** Sums over a language model's predictions of some tokens. */
export interface PredictedTokens {
  /** The sum of the tokens' cross-entropies in nats. */
  readonly loss: number;
  readonly tokens: number;
  /** How many tokens the model ranks first. */
  readonly correct: number;
}

/** The sums behind values that are functions of the mean loss and the accuracy over all tokens. */
export const tokenSums = (
  resultOf: (loss: number, accuracy: number) => Readonly<Record<string, number>>,
): Sums<PredictedTokens> => ({
  width: 3,
  add({ loss, correct, tokens }, sums) {
    sums[0]! += loss;
    sums[1]! += correct;
    sums[2]! += tokens;
  },
  result([loss, correct, tokens]) {
    const count = atLeastOne(tokens!);
    return resultOf(loss! / count, correct! / count);
  },
});

/** The sums of several metrics side by side; an example is the list of what each has measured. */
export function sumsOfAll(parts: readonly Sums<unknown>[]): Sums<readonly unknown[]> {
  const ends = parts.map((_, i) => parts.slice(0, i + 1).reduce((sum, { width }) => sum + width, 0));
  const own = (sums: Float64Array, i: number) => sums.subarray(ends[i]! - parts[i]!.width, ends[i]);
  return {
    width: ends.at(-1) ?? 0,
    add(example, sums) {
      for (const [i, part] of parts.entries()) part.add(example[i], own(sums, i));
    },
    result: (sums, examples) => Object.assign({}, ...parts.map((part, i) => part.result(own(sums, i), examples))),
  };
}

/** Scores samples of a corpus, given as example numbers; undefined for a metric without sums. */
export function sampledSums<Measured>(
  metric: Pick<Metric<never, never, Measured>, "sums">,
  corpus: readonly Measured[],
): ((places: Int32Array) => Readonly<Record<string, number>>) | undefined {
  return metric.sums && addersOf(metric as Summed)(corpus);
}

type Summed = Required<Pick<Metric<never, never, unknown>, "sums">>;
type OfPlaces = (places: Int32Array) => Readonly<Record<string, number>>;

const addersOf = once((metric: Summed) =>
  perCorpus<unknown, OfPlaces>((corpus) => {
    const sums = metric.sums(corpus);
    const totals = totalsOf(sums, corpus);
    return (places) => sums.result(totals(places), places.length);
  }),
);

/** Adds up the examples of a sample. */
function totalsOf(sums: Sums<unknown>, corpus: readonly unknown[]): (places: Int32Array) => Float64Array {
  const columns = columnsOf(sums, corpus);
  const times = new Int32Array(corpus.length);
  return (places) => {
    times.fill(0);
    for (let i = 0; i < places.length; i++) times[places[i]!]!++;
    return Float64Array.from(columns, (column) => weightedSum(column, times));
  };
}

/** The examples' contributions to one sum. Most are 0, and only the others are kept. */
interface Column {
  readonly examples: Int32Array;
  readonly values: Float64Array;
}

function weightedSum({ examples, values }: Column, times: Int32Array): number {
  let sum = 0;
  for (let i = 0; i < examples.length; i++) sum += times[examples[i]!]! * values[i]!;
  return sum;
}

function columnsOf(sums: Sums<unknown>, corpus: readonly unknown[]): Column[] {
  const columns = Array.from({ length: sums.width }, (): [number[], number[]] => [[], []]);
  for (const [place, example] of corpus.entries()) {
    const own = new Float64Array(sums.width);
    sums.add(example, own);
    for (let i = 0; i < own.length; i++) {
      if (own[i] === 0) continue;
      columns[i]![0].push(place);
      columns[i]![1].push(own[i]!);
    }
  }
  return columns.map(([examples, values]) => ({
    examples: Int32Array.from(examples),
    values: Float64Array.from(values),
  }));
}

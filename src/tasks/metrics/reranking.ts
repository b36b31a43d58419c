/** Metrics of reranking, computed from the scores of a query's documents. */
import { BidoraError } from "../../base/index.js";
import { atLeastOne, HIGHER_IS_BETTER, type Metric } from "./parts/metric.js";
import { overSums } from "./parts/sums.js";

/** The values for one query. */
export type QueryValues = readonly [mrr: number, ndcg: number, averagePrecision: number];

const NAMES = ["mrr@10", "ndcg@10", "map"] as const;
const K = 10;

/**
 * `mrr@10`, `ndcg@10` and `map`: means over queries, each in [0, 1], as sentence-transformers' `CrossEncoderRerankingEvaluator` defines
 * them. A reference says of each document of a query whether it is relevant, a prediction has their scores. A query without a relevant
 * document counts as 0. Of documents with the same score, the first relevant one is ranked last, `ndcg@10` is the mean over their orders
 * (McSherry & Najork 2008), and precisions are those after all of them.
 * Throws METRIC_SCORES for another number of scores than of documents, for none, and for scores that are not finite.
 */
export function reranking(): Metric<readonly boolean[], readonly number[], QueryValues> {
  return overSums(Object.fromEntries(NAMES.map((name) => [name, HIGHER_IS_BETTER])), measured, () => ({
    width: NAMES.length,
    add(query, sums) {
      for (const [i, value] of query.entries()) sums[i]! += value;
    },
    result: (sums, queries) => Object.fromEntries(NAMES.map((name, i) => [name, sums[i]! / atLeastOne(queries)])),
  }));
}

function measured(isRelevant: readonly boolean[], scores: readonly number[], query: number): QueryValues {
  const fits = scores.length > 0 && scores.length === isRelevant.length && scores.every(Number.isFinite);
  if (!fits)
    throw new BidoraError(
      "METRIC_SCORES",
      `Expected a finite score for each of at least one document; got ${JSON.stringify(scores)} for the ${isRelevant.length} documents of query ${query}.`,
    );
  const ties = tiesOf(isRelevant, scores);
  return isRelevant.includes(true) ? [reciprocalRank(ties), normalizedGain(ties), averagePrecision(ties)] : [0, 0, 0];
}

/** Documents with the same score. */
interface Tie {
  readonly relevant: number;
  readonly all: number;
  /** The number of documents before them. */
  readonly before: number;
}

/** The best scores first. */
function tiesOf(isRelevant: readonly boolean[], scores: readonly number[]): Tie[] {
  const relevant = new Map<number, number[]>();
  for (const [i, score] of scores.entries())
    relevant.set(score, [...(relevant.get(score) ?? []), Number(isRelevant[i])]);
  let next = 0;
  return [...relevant]
    .sort(([a], [b]) => b - a)
    .map(([, own]) => {
      const before = next;
      next += own.length;
      return { relevant: own.reduce((sum, one) => sum + one, 0), all: own.length, before };
    });
}

/** 1 over the rank of the first relevant document; 0 if it is not among the first ten. */
function reciprocalRank(ties: readonly Tie[]): number {
  const { before, all, relevant } = ties.find((tie) => tie.relevant > 0)!;
  const rank = before + all - relevant + 1;
  return rank <= K ? 1 / rank : 0;
}

/** The discounted gain of the first ten, relative to that of the best order. */
function normalizedGain(ties: readonly Tie[]): number {
  const total = ties.reduce((sum, { relevant }) => sum + relevant, 0);
  const gains = ties.map(({ relevant, all, before }) => (relevant / all) * discounts(before, before + all));
  return gains.reduce((sum, gain) => sum + gain, 0) / discounts(0, total);
}

/** The sum of the discounts of ranks after `before` up to `end`, and at most ten. */
function discounts(before: number, end: number): number {
  let sum = 0;
  for (let rank = before + 1; rank <= Math.min(end, K); rank++) sum += 1 / Math.log2(rank + 1);
  return sum;
}

/** The mean over relevant documents of the precision at their scores. */
function averagePrecision(ties: readonly Tie[]): number {
  let [found, sum] = [0, 0];
  for (const { relevant, all, before } of ties) {
    found += relevant;
    sum += (relevant * found) / (before + all);
  }
  return sum / found;
}

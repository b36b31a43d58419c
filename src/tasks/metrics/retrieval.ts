/** Metrics of retrieval, computed from the ranks of the documents that are relevant to a query. */
import { BidoraError } from "../../base/index.js";
import { atLeastOne, HIGHER_IS_BETTER, type Metric } from "./parts/metric.js";
import { overSums } from "./parts/sums.js";

/** Where a search found a query's relevant documents. */
export interface QueryRanks {
  /** The number of documents that are relevant to the query. */
  readonly relevant: number;
  /** The ranks of those that were found, from 1, ascending. */
  readonly ranks: readonly number[];
}

/** Each value for one query. */
const VALUES: Readonly<Record<string, (query: QueryRanks) => number>> = {
  "recall@1": (query) => recallAt(1, query),
  "recall@10": (query) => recallAt(10, query),
  "mrr@10": (query) => reciprocalRankAt(10, query),
  "ndcg@10": (query) => normalizedGainAt(10, query),
  "map@100": (query) => averagePrecisionAt(100, query),
};

/**
 * `recall@1`, `recall@10`, `mrr@10`, `ndcg@10` and `map@100`: means over queries, each in [0, 1], as sentence-transformers'
 * `InformationRetrievalEvaluator` defines them. A reference is the number of documents that are relevant to a query, a prediction the
 * ranks of those that were found.
 * Throws METRIC_RANKS for a query without relevant documents, and for ranks that are not ascending whole numbers from 1.
 */
export function retrieval(): Metric<number, readonly number[], QueryRanks> {
  const each = Object.values(VALUES);
  return overSums(Object.fromEntries(Object.keys(VALUES).map((name) => [name, HIGHER_IS_BETTER])), measured, () => ({
    width: each.length,
    add(query, sums) {
      for (const [i, value] of each.entries()) sums[i]! += value(query);
    },
    result: (sums, queries) =>
      Object.fromEntries(Object.keys(VALUES).map((name, i) => [name, sums[i]! / atLeastOne(queries)])),
  }));
}

function measured(relevant: number, ranks: readonly number[], query: number): QueryRanks {
  const isAscending = ranks.every((rank, i) => Number.isSafeInteger(rank) && rank > (ranks[i - 1] ?? 0));
  if (relevant >= 1 && ranks.length <= relevant && isAscending) return { relevant, ranks };
  throw new BidoraError(
    "METRIC_RANKS",
    `Expected the ranks of up to ${relevant} relevant documents, ascending from 1, and at least one relevant document; got ${JSON.stringify(ranks)} for query ${query}.`,
  );
}

/** The share of the relevant documents that are among the first k. */
function recallAt(k: number, { relevant, ranks }: QueryRanks): number {
  return ranks.filter((rank) => rank <= k).length / relevant;
}

/** 1 over the rank of the first relevant document; 0 if it is not among the first k. */
function reciprocalRankAt(k: number, { ranks: [first] }: QueryRanks): number {
  return first !== undefined && first <= k ? 1 / first : 0;
}

/** The discounted cumulative gain of the first k, relative to that of the best order (Järvelin & Kekäläinen 2002). */
function normalizedGainAt(k: number, { relevant, ranks }: QueryRanks): number {
  const best = Array.from({ length: Math.min(k, relevant) }, (_, i) => i + 1);
  return gain(ranks.filter((rank) => rank <= k)) / gain(best);
}

const gain = (ranks: readonly number[]): number => ranks.reduce((sum, rank) => sum + 1 / Math.log2(rank + 1), 0);

/** The mean of the precision at the rank of each relevant document; 0 for those that are not among the first k. */
function averagePrecisionAt(k: number, { relevant, ranks }: QueryRanks): number {
  const precisions = ranks.filter((rank) => rank <= k).map((rank, i) => (i + 1) / rank);
  return precisions.reduce((sum, precision) => sum + precision, 0) / Math.min(k, relevant);
}

/** Hard negatives: documents that are near a query and not relevant to it, chosen as sentence-transformers' `mine_hard_negatives` does. */
import { shuffler } from "../../base/index.js";
import type { Relevance } from "./search.js";
import { cosine, type EmbeddingSearch, type Hit, nearest } from "./search.js";

/** Which documents are chosen. Scores are cosines with the query. */
export interface NegativeOptions {
  readonly numNegatives: number;
  /** Leaves out this many of the best candidates. */
  readonly rangeMin: number;
  /** The number of nearest documents that are candidates; by default `rangeMin`, `numNegatives` (times 10 if scores are limited) and the most positives of a query. */
  readonly rangeMax?: number | undefined;
  readonly maxScore?: number | undefined;
  readonly minScore?: number | undefined;
  /** By how much a negative's score must be below the lowest of the query's positives. */
  readonly absoluteMargin?: number | undefined;
  /** The same, as a share of that score. */
  readonly relativeMargin?: number | undefined;
  readonly samplingStrategy: "top" | "random";
  /** Of random sampling. */
  readonly seed: number;
}

/** A query with its documents. */
interface Query {
  readonly place: number;
  readonly relevant: ReadonlySet<number>;
  readonly excluded: ReadonlySet<number>;
}

/**
 * The hard negatives of each query, the nearest first. There are fewer than asked for where limits leave fewer.
 * @param excluded documents that are never chosen for a query, in addition to those that are relevant
 * @throws BidoraError `EMBEDDINGS` for vectors of different widths, and for values that are not finite
 */
export async function* hardNegatives(
  search: EmbeddingSearch,
  { relevant }: Pick<Relevance, "relevant">,
  excluded: readonly ReadonlySet<number>[],
  options: NegativeOptions,
): AsyncGenerator<Hit[]> {
  const most = largest(relevant.map(({ length }) => length));
  const rangeMax = options.rangeMax ?? usualRange(options, most);
  const candidates = rangeMax + most;
  const others = largest(excluded.map(({ size }) => size));
  let place = 0;
  for await (const hits of nearest(search, candidates + others)) {
    const query = { place, relevant: new Set(relevant[place]), excluded: excluded[place]! };
    const isAccepted = acceptance(search, query, options);
    const accepted = hits
      .filter(({ document }) => query.relevant.has(document) || !query.excluded.has(document))
      .slice(0, candidates)
      .filter((hit) => !query.relevant.has(hit.document) && isAccepted(hit));
    yield sampled(accepted.slice(options.rangeMin, rangeMax), query, options);
    place++;
  }
}

/** The range of `mine_hard_negatives`: wider if limits may leave candidates out. */
function usualRange({ rangeMin, numNegatives, ...limits }: NegativeOptions, mostPositives: number): number {
  const { maxScore, absoluteMargin, relativeMargin } = limits;
  const isLimited = [maxScore, absoluteMargin, relativeMargin].some((limit) => limit !== undefined);
  return rangeMin + numNegatives * (isLimited ? 10 : 1) + mostPositives;
}

/** Whether limits allow a document. Margins are from the lowest score of the query's positives. */
function acceptance(
  { queries, documents }: EmbeddingSearch,
  { place, relevant }: Query,
  { maxScore = Infinity, minScore = -Infinity, absoluteMargin, relativeMargin }: NegativeOptions,
): (hit: Hit) => boolean {
  const lowest = Math.min(...Array.from(relevant, (document) => cosine(queries[place]!, documents[document]!)));
  const highest = Math.min(
    maxScore,
    absoluteMargin === undefined ? Infinity : lowest - absoluteMargin,
    relativeMargin === undefined ? Infinity : lowest - Math.abs(lowest) * relativeMargin,
  );
  return ({ score }) => score >= minScore && score <= highest;
}

function sampled(
  hits: readonly Hit[],
  { place }: Query,
  { numNegatives, samplingStrategy, seed }: NegativeOptions,
): Hit[] {
  if (samplingStrategy === "top") return hits.slice(0, numNegatives);
  const drawn = shuffler(seed, place)([...hits]).slice(0, numNegatives);
  return drawn.sort((a, b) => b.score - a.score);
}

const largest = (values: readonly number[]): number => values.reduce((most, value) => Math.max(most, value), 0);

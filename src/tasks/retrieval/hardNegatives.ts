/** Hard negatives: documents that are near a query and not relevant to it, chosen as sentence-transformers' `mine_hard_negatives` does. */
import { shuffler } from "../../base/index.js";
import type { Relevance } from "./search.js";
import { cosine, type EmbeddingSearch, type Hit, nearest } from "./search.js";

/** Which documents are chosen. Scores are cosines with the query, or what `rescore` gives. */
export interface NegativeOptions {
  readonly numNegatives: number;
  /** Leaves out this many of the best candidates. */
  readonly rangeMin: number;
  /** The number of nearest documents that are candidates; by default `rangeMin`, `numNegatives` (times 10 if scores are limited or given again) and the most positives of a query. */
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
  /** Scores documents for a query again, as a reranker does: limits, margins and the order of the candidates go by them. */
  readonly rescore?: Rescore | undefined;
}

/** Scores documents for a query. @param query its place @param documents their places @returns a score for each */
export type Rescore = (query: number, documents: readonly number[]) => Promise<readonly number[]>;

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
    const near = hits
      .filter(({ document }) => query.relevant.has(document) || !query.excluded.has(document))
      .slice(0, candidates)
      .filter(({ document }) => !query.relevant.has(document));
    const { scored, lowest } = await scoredFor(search, query, near, options);
    const accepted = scored.filter(acceptance(lowest, options));
    yield sampled(accepted.slice(options.rangeMin, rangeMax), query, options);
    place++;
  }
}

/** The range of `mine_hard_negatives`: wider if limits may leave candidates out. */
function usualRange({ rangeMin, numNegatives, ...limits }: NegativeOptions, mostPositives: number): number {
  const { maxScore, absoluteMargin, relativeMargin, rescore } = limits;
  const isLimited = [maxScore, absoluteMargin, relativeMargin, rescore].some((limit) => limit !== undefined);
  return rangeMin + numNegatives * (isLimited ? 10 : 1) + mostPositives;
}

/** Candidates, the best first, and the lowest score of the query's positives. @param near the candidates by cosine, the nearest first */
async function scoredFor(
  { queries, documents }: EmbeddingSearch,
  { place, relevant }: Query,
  near: readonly Hit[],
  { rescore }: NegativeOptions,
): Promise<{ readonly scored: readonly Hit[]; readonly lowest: number }> {
  const positives = [...relevant];
  if (!rescore)
    return { scored: near, lowest: Math.min(...positives.map((one) => cosine(queries[place]!, documents[one]!))) };
  const places = near.map(({ document }) => document);
  const scores = await rescore(place, [...places, ...positives]);
  const scored = places.map((document, i) => ({ document, score: scores[i]! }));
  return { scored: scored.sort((a, b) => b.score - a.score), lowest: Math.min(...scores.slice(places.length)) };
}

/** Whether limits allow a document. @param lowest the score that margins are from */
function acceptance(
  lowest: number,
  { maxScore = Infinity, minScore = -Infinity, absoluteMargin, relativeMargin }: NegativeOptions,
): (hit: Hit) => boolean {
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

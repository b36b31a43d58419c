/** Exact search by cosine. Scores are matrix products over blocks of queries, so that memory stays bounded. */
import { setImmediate } from "node:timers/promises";
import * as torch from "../../torch/index.js";
import { type Embeddings, unitRows } from "./unitRows.js";

/** What is searched for, and where. */
export interface EmbeddingSearch {
  readonly queries: Embeddings;
  readonly documents: Embeddings;
  readonly signal?: AbortSignal | undefined;
  /** The most scores in memory at a time; by default 2^24, or 64 MB. */
  readonly mostScores?: number;
}

/** A document that a search found. */
export interface Hit {
  /** Its place among the documents, from 0. */
  readonly document: number;
  /** Its cosine with the query. */
  readonly score: number;
}

/**
 * The documents with the highest cosines for each query, the best first; all of them if there are no more than `count`.
 * @throws BidoraError `EMBEDDINGS` for vectors of different widths, and for values that are not finite
 */
export async function* nearest(search: EmbeddingSearch, count: number): AsyncGenerator<Hit[]> {
  const found = Math.min(count, search.documents.length);
  const each = search.queries.map((_, query) => query);
  for await (const { queries, cosines } of blocks(search, each)) {
    const [scores, places] = torch.scope(() => torch.topk(cosines(), found).map((best) => best.toArray()));
    for (const row of queries.keys())
      yield Array.from({ length: found }, (_, i) => ({
        document: places![row * found + i]!,
        score: scores![row * found + i]!,
      }));
  }
}

/**
 * The ranks of each query's relevant documents among all documents, from 1, ascending. Of documents with equal scores the relevant ones
 * come last, so that a model that gives all texts one embedding finds nothing.
 * @param relevant the places of each query's relevant documents, none twice
 * @throws BidoraError `EMBEDDINGS` for vectors of different widths, and for values that are not finite
 */
export async function relevantRanks(
  search: EmbeddingSearch,
  relevant: readonly (readonly number[])[],
): Promise<number[][]> {
  const pairs = relevant.flatMap((documents, query) => documents.map((document) => ({ query, document })));
  const counts: number[][] = relevant.map(() => []);
  const queriesOfPairs = pairs.map(({ query }) => query);
  for await (const { first, queries, cosines } of blocks(search, queriesOfPairs)) {
    const documents = pairs.slice(first, first + queries.length).map(({ document }) => document);
    const atLeast = torch.scope(() => countsAtLeast(cosines(), documents));
    for (const [i, query] of queries.entries()) counts[query]!.push(atLeast[i]!);
  }
  return counts.map(ranksOf);
}

/** How many documents score at least as high as one of them, itself included. scores: [queries, documents] */
function countsAtLeast(scores: torch.Tensor, documents: readonly number[]): number[] {
  const own = torch.gather(scores, 1, torch.tensor(documents, [documents.length, 1], "int64"));
  return torch.sumDim(torch.ge(scores, own), [1]).toArray();
}

/** @param atLeast for each relevant document, how many documents score at least as high */
function ranksOf(atLeast: readonly number[]): number[] {
  const sorted = atLeast.toSorted((a, b) => a - b);
  return sorted.map((count, i) => count + i - sorted.findLastIndex((other) => other <= count));
}

interface Block {
  /** The place of the block's first query. */
  readonly first: number;
  readonly queries: readonly number[];
  /** [queries, documents]; to be called in a scope. */
  cosines(): torch.Tensor;
}

/** Blocks of queries, which may be listed several times in a row. */
async function* blocks(search: EmbeddingSearch, listed: readonly number[]): AsyncGenerator<Block> {
  const { queries, documents, signal, mostScores = 2 ** 24 } = search;
  if (listed.length === 0) return;
  const width = (documents[0] ?? queries[0])!.length;
  const corpus = torch.keep(torch.scope(() => torch.t(unitRows(documents, width, (row) => `document ${row + 1}`))));
  const size = Math.max(1, Math.floor(mostScores / documents.length));
  try {
    for (let first = 0; first < listed.length; first += size) {
      const own = listed.slice(first, first + size);
      yield { first, queries: own, cosines: () => cosinesOf(queries, own, corpus) };
      // Other work, such as an interrupt, gets its turn.
      await setImmediate();
      signal?.throwIfAborted();
    }
  } finally {
    corpus.dispose();
  }
}

/** @param corpus [width, documents] @returns [listed, documents] */
function cosinesOf(queries: Embeddings, listed: readonly number[], corpus: torch.Tensor): torch.Tensor {
  const single = [...new Set(listed)];
  const vectors = single.map((query) => queries[query]!);
  const scores = torch.mm(
    unitRows(vectors, corpus.shape[0]!, (row) => `query ${single[row]! + 1}`),
    corpus,
  );
  if (single.length === listed.length) return scores;
  const places = new Map(single.map((query, place) => [query, place]));
  return torch.indexSelect(
    scores,
    0,
    torch.tensor(
      listed.map((query) => places.get(query)!),
      [listed.length],
      "int64",
    ),
  );
}

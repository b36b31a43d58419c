/** Exact search by cosine. Scores are matrix products over blocks of queries, so that memory stays bounded. */
import { setImmediate } from "node:timers/promises";
import { BidoraError } from "../../base/index.js";
import * as torch from "../../torch/index.js";

/** A text to search with, and a text to find. */
export interface TextPair {
  readonly anchor: string;
  readonly positive: string;
}

/** Queries and documents, each text once. */
export interface Relevance {
  /** The anchors, in the order of the pairs. */
  readonly queries: readonly string[];
  /** The positives, in the order of the pairs, then the other texts of the corpus. */
  readonly documents: readonly string[];
  /** The places of the documents that are relevant to each query: all positives of its anchor, none twice. */
  readonly relevant: readonly (readonly number[])[];
}

/** The queries and documents of pairs of texts. @param corpus more documents */
export function relevanceOf(pairs: readonly TextPair[], corpus: readonly string[] = []): Relevance {
  const places = placesOf([...pairs.map(({ positive }) => positive), ...corpus]);
  const relevant = new Map<string, Set<number>>();
  for (const { anchor, positive } of pairs) {
    const known = relevant.get(anchor) ?? new Set();
    relevant.set(anchor, known.add(places.get(positive)!));
  }
  return {
    queries: [...relevant.keys()],
    documents: [...places.keys()],
    relevant: Array.from(relevant.values(), (documents) => [...documents]),
  };
}

/** The place of each text among the different ones, from 0. */
function placesOf(texts: readonly string[]): Map<string, number> {
  return new Map([...new Set(texts)].map((text, place) => [text, place]));
}

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
  const corpus = torch.keep(torch.scope(() => torch.t(unitVectors(documents, width, (row) => `document ${row + 1}`))));
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
    unitVectors(vectors, corpus.shape[0]!, (row) => `query ${single[row]! + 1}`),
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

/** One vector for each text, all of one length. */
export type Embeddings = readonly ArrayLike<number>[];

/** As `torch.nn.functional.normalize`: a zero vector stays zero, so its cosine with every vector is 0. */
const SMALLEST_NORM = 1e-12;

/**
 * Vectors scaled to norm 1, so that their dot products are cosines.
 * @param nameOf what a vector is of, for error messages
 * @returns [vectors, width] float32
 * @throws BidoraError `EMBEDDINGS` for vectors of another width, and for values that are not finite
 */
export function unitVectors(embeddings: Embeddings, width: number, nameOf: (row: number) => string): torch.Tensor {
  const values = new Float32Array(embeddings.length * width);
  for (const [row, vector] of embeddings.entries()) {
    if (vector.length !== width)
      throw badEmbedding(
        nameOf(row),
        `has ${vector.length} values, and others have ${width}: embed all with one model`,
      );
    const scale = 1 / Math.max(normOf(vector), SMALLEST_NORM);
    if (!Number.isFinite(scale) || scale === 0)
      throw badEmbedding(nameOf(row), "has values that are not finite numbers");
    for (let i = 0; i < width; i++) values[row * width + i] = (vector[i] as number) * scale;
  }
  return torch.tensor(values, [embeddings.length, width]);
}

/** The cosine of two vectors; 0 if one of them is zero. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += (a[i] as number) * (b[i] as number);
  return dot / (Math.max(normOf(a), SMALLEST_NORM) * Math.max(normOf(b), SMALLEST_NORM));
}

function normOf(vector: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += (vector[i] as number) ** 2;
  return Math.sqrt(squares);
}

const badEmbedding = (what: string, problem: string): BidoraError =>
  new BidoraError("EMBEDDINGS", `The embedding of ${what} ${problem}.`);

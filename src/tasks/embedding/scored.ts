/** How embeddings are scored: by the cosines of pairs with a score, or by the ranks of positives among the texts of all examples. */

import type { ExamplePrediction } from "../batch.js";
import { combineMetrics, type Metric, pearson, type QueryRanks, retrieval, spearman } from "../metrics/index.js";
import { cosine, relevanceOf, relevantRanks, type TextPair } from "../retrieval/index.js";
import type { Scorer } from "../scorer.js";
import type { EmbeddedText, Together } from "../task.js";
import type { EncodedEmbeddingExample } from "./encode.js";

/** A text's embedding. */
export interface EmbeddingPrediction {
  readonly embedding: readonly number[];
  /** Those of the example's further texts: a positive and negatives, or the second text of a scored pair. */
  readonly others?: readonly (readonly number[])[];
}

/** What a prediction is compared with: its score; or the texts that a search for its anchor should find. */
export type EmbeddingReference = number | readonly string[];

/** What is scored: the cosine of a pair; or the ranks, from 1, of a query's positives among all documents. */
export type ScoredEmbedding = { readonly cosine: number } | { readonly ranks: readonly number[] };

const correlations = combineMetrics<number, number>(pearson(), spearman());
const search = retrieval();

/** @param isScored whether examples have scores: then `spearman` is the main metric, otherwise `ndcg@10` */
export const embeddingScorer = (isScored: boolean): Scorer<EmbeddingReference, object> => ({
  main: isScored ? "spearman" : "ndcg@10",
  metric,
  names: Object.keys((isScored ? correlations : search).values),
});

/** The correlations of scores with cosines, or the metrics of retrieval, depending on what is scored. */
const metric: Metric<EmbeddingReference, object> = {
  values: { ...correlations.values, ...search.values },
  measure(reference, prediction, example) {
    const scored = prediction as ScoredEmbedding;
    return "cosine" in scored
      ? correlations.measure(reference as number, scored.cosine, example)
      : search.measure((reference as readonly string[]).length, scored.ranks, example);
  },
  result: (rows) => (areCosines(rows) ? correlations.result(rows) : search.result(rows as readonly QueryRanks[])),
  notes: (rows) => (areCosines(rows) ? (correlations.notes?.(rows) ?? []) : []),
};

const areCosines = (rows: readonly unknown[]): rows is readonly (readonly unknown[])[] => Array.isArray(rows[0]);

/**
 * Collects the embeddings of examples that are scored together. Those with the same anchor are one query, which stands where the first of them
 * does, and equal texts are one document.
 */
export class EmbeddedExamples implements Together {
  readonly #scored: ExamplePrediction[] = [];
  readonly #pairs: TextPair[] = [];
  /** The first example of each anchor, with its embedding. */
  readonly #queries = new Map<
    string,
    { readonly example: EncodedEmbeddingExample; readonly embedding: Float32Array }
  >();
  readonly #documents: Map<string, ArrayLike<number>>;

  /** @param corpus documents to search in, besides the examples' positives */
  constructor(private readonly corpus: readonly EmbeddedText[] = []) {
    this.#documents = new Map(corpus.map(({ text, embedding }) => [text, embedding]));
  }

  get units() {
    return this.#pairs.length > 0 ? "queries" : undefined;
  }

  add({
    example,
    prediction: { embedding, others = [] },
  }: ExamplePrediction<EncodedEmbeddingExample, EmbeddingPrediction>): void {
    const other = others[0] as readonly number[];
    if (typeof example.reference === "number") {
      this.#scored.push({ example, prediction: { cosine: cosine(embedding, other) } });
      return;
    }
    const [anchor, positive] = example.reference as readonly [string, string];
    this.#pairs.push({ anchor, positive });
    if (!this.#queries.has(anchor)) this.#queries.set(anchor, { example, embedding: Float32Array.from(embedding) });
    if (!this.#documents.has(positive)) this.#documents.set(positive, Float32Array.from(other));
  }

  async scored(signal?: AbortSignal): Promise<readonly ExamplePrediction[]> {
    const texts = this.corpus.map(({ text }) => text);
    const { queries, documents, relevant } = relevanceOf(this.#pairs, texts);
    const found = queries.map((query) => this.#queries.get(query)!);
    const embeddings = {
      queries: found.map(({ embedding }) => embedding),
      documents: documents.map((text) => this.#documents.get(text)!),
    };
    const ranks = await relevantRanks({ ...embeddings, signal }, relevant);
    const judged = found.map(({ example }, i) => ({
      example: { ...example, ...anchorOf(example), reference: relevant[i]!.map((document) => documents[document]!) },
      prediction: { ranks: ranks[i]! },
    }));
    return [...this.#scored, ...judged];
  }
}

/** The tokens of an example's anchor alone. */
const anchorOf = ({
  inputIds,
  lengths: [length],
}: EncodedEmbeddingExample): Pick<EncodedEmbeddingExample, "inputIds"> => ({
  inputIds: inputIds.slice(0, length),
});

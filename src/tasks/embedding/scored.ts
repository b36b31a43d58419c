/** How embeddings are scored: by the cosines of pairs with a score, or by the ranks of positives among the texts of all rows. */
import { combineMetrics, type Metric, pearson, type QueryRanks, retrieval, spearman } from "../metrics/index.js";
import { cosine, relevanceOf, relevantRanks, type TextPair } from "../retrieval/index.js";
import type { Scorer } from "../scorer.js";
import type { EmbeddedText, RowPrediction, Together } from "../task.js";
import type { EmbeddingRow } from "./rows.js";

/** A text's embedding. */
export interface EmbeddingPrediction {
  readonly embedding: readonly number[];
  /** Those of the row's further texts: a positive and negatives, or the second text of a scored pair. */
  readonly others?: readonly (readonly number[])[];
}

/** What a row is compared with: its score; or the texts that a search for its anchor should find. */
export type EmbeddingReference = number | readonly string[];

/** What is scored: the cosine of a pair; or the ranks, from 1, of a query's positives among all documents. */
export type ScoredEmbedding = { readonly cosine: number } | { readonly ranks: readonly number[] };

const correlations = combineMetrics<number, number>(pearson(), spearman());
const search = retrieval();

/** @param isScored whether rows have scores: then `spearman` is the main metric, otherwise `ndcg@10` */
export const embeddingScorer = (isScored: boolean): Scorer<EmbeddingReference, object> => ({
  main: isScored ? "spearman" : "ndcg@10",
  metric,
});

/** The correlations of scores with cosines, or the metrics of retrieval, depending on what is scored. */
const metric: Metric<EmbeddingReference, object> = {
  values: { ...correlations.values, ...search.values },
  measure(reference, prediction, row) {
    const scored = prediction as ScoredEmbedding;
    return "cosine" in scored
      ? correlations.measure(reference as number, scored.cosine, row)
      : search.measure((reference as readonly string[]).length, scored.ranks, row);
  },
  result: (rows) => (areCosines(rows) ? correlations.result(rows) : search.result(rows as readonly QueryRanks[])),
  notes: (rows) => (areCosines(rows) ? (correlations.notes?.(rows) ?? []) : []),
};

const areCosines = (rows: readonly unknown[]): rows is readonly (readonly unknown[])[] => Array.isArray(rows[0]);

/**
 * Collects the embeddings of rows that are scored together. Rows with the same anchor are one query, which stands where the first of them
 * does, and equal texts are one document.
 */
export class EmbeddedRows implements Together<EmbeddingRow, EmbeddingPrediction> {
  readonly #scored: RowPrediction[] = [];
  readonly #pairs: TextPair[] = [];
  /** The first row of each anchor, with its embedding. */
  readonly #queries = new Map<string, { readonly row: EmbeddingRow; readonly embedding: Float32Array }>();
  readonly #documents: Map<string, ArrayLike<number>>;

  /** @param corpus documents to search in, besides the rows' positives */
  constructor(private readonly corpus: readonly EmbeddedText[] = []) {
    this.#documents = new Map(corpus.map(({ text, embedding }) => [text, embedding]));
  }

  get units() {
    return this.#pairs.length > 0 ? "queries" : undefined;
  }

  add({ row, prediction: { embedding, others = [] } }: RowPrediction<EmbeddingRow, EmbeddingPrediction>): void {
    const other = others[0] as readonly number[];
    if (typeof row.reference === "number") {
      this.#scored.push({ row, prediction: { cosine: cosine(embedding, other) } });
      return;
    }
    const [anchor, positive] = row.reference as readonly [string, string];
    this.#pairs.push({ anchor, positive });
    if (!this.#queries.has(anchor)) this.#queries.set(anchor, { row, embedding: Float32Array.from(embedding) });
    if (!this.#documents.has(positive)) this.#documents.set(positive, Float32Array.from(other));
  }

  async scored(signal?: AbortSignal): Promise<readonly RowPrediction[]> {
    const texts = this.corpus.map(({ text }) => text);
    const { queries, documents, relevant } = relevanceOf(this.#pairs, texts);
    const found = queries.map((query) => this.#queries.get(query)!);
    const embeddings = {
      queries: found.map(({ embedding }) => embedding),
      documents: documents.map((text) => this.#documents.get(text)!),
    };
    const ranks = await relevantRanks({ ...embeddings, signal }, relevant);
    const judged = found.map(({ row }, i) => ({
      row: { ...row, ...anchorOf(row), reference: relevant[i]!.map((document) => documents[document]!) },
      prediction: { ranks: ranks[i]! },
    }));
    return [...this.#scored, ...judged];
  }
}

/** The tokens of a row's anchor alone. */
const anchorOf = ({ inputIds, lengths: [length] }: EmbeddingRow): Pick<EmbeddingRow, "inputIds"> => ({
  inputIds: inputIds.slice(0, length),
});

/** How rerankers are scored: by the order of each query's documents. */

import { BidoraError } from "../../base/index.js";
import type { ExamplePrediction } from "../batch.js";
import { where } from "../data/index.js";
import { type Metric, mapPrediction, reranking } from "../metrics/index.js";
import type { Scorer } from "../scorer.js";
import type { Together } from "../task.js";
import type { EncodedRerankingExample } from "./encode.js";

/** The score of a document for its query. */
export interface ScorePrediction {
  readonly score: number;
  /** Those of the example's further documents. */
  readonly others?: readonly number[];
}

/** Whether each document of a query is relevant. */
export type RerankingReference = readonly boolean[];

/** What is scored: the scores of a query's documents. */
interface ScoredQuery {
  readonly ranked: readonly number[];
}

/** The score from which a document counts as relevant. */
export const RELEVANT = 0.5;

const metric = mapPrediction(reranking(), ({ ranked }: ScoredQuery) => ranked);

export const rerankingScorer: Scorer<RerankingReference, object> = {
  main: "ndcg@10",
  metric: metric as Metric<RerankingReference, object>,
};

/** What is known of a document of a query. */
interface Judged {
  readonly score: number;
  readonly isRelevant: boolean;
}

/**
 * Collects the scores of examples. Those with the same query are one, which stands where the first of them does, and its equal documents
 * are one, relevant if one of them is.
 */
export class RankedExamples implements Together {
  readonly units = "queries";
  readonly #queries = new Map<
    string,
    { readonly example: EncodedRerankingExample; readonly documents: Map<string, Judged> }
  >();

  add({ example, prediction }: ExamplePrediction<EncodedRerankingExample, ScorePrediction>): void {
    const [query, ...texts] = example.source!;
    const found = this.#queries.get(query) ?? { example, documents: new Map<string, Judged>() };
    this.#queries.set(query, found);
    const reference = example.reference as RerankingReference;
    const scores = [prediction.score, ...(prediction.others ?? [])];
    if (scores.length !== texts.length)
      throw new BidoraError(
        "PREDICTIONS",
        `${where(example.at)} has ${texts.length} documents, and a prediction has the score of one: give rows with query and document.`,
      );
    for (const [i, text] of texts.entries()) {
      const isRelevant = reference[i]! || (found.documents.get(text)?.isRelevant ?? false);
      found.documents.set(text, { score: scores[i]!, isRelevant });
    }
  }

  async scored(): Promise<readonly ExamplePrediction[]> {
    return Array.from(this.#queries.values(), ({ example, documents }) => {
      const judged = [...documents.values()];
      return {
        example: { ...example, reference: judged.map(({ isRelevant }) => isRelevant) },
        prediction: { ranked: judged.map(({ score }) => score) },
      };
    });
  }
}

import { readFileSync } from "node:fs";

interface Golden {
  readonly retrieval: readonly {
    readonly name: string;
    readonly queries: number[][];
    readonly documents: number[][];
    readonly relevant: number[][];
    readonly metrics: Record<string, number>;
  }[];
  readonly similarity: {
    readonly left: number[][];
    readonly right: number[][];
    readonly scores: number[];
    readonly metrics: Record<string, number>;
  };
  readonly mining: {
    readonly vectors: Record<string, number[]>;
    readonly pairs: [anchor: string, positive: string][];
    readonly corpus: string[];
    readonly cases: readonly MiningCase[];
    /** A reranker's scores, by query and document. */
    readonly scores: Record<string, Record<string, number>>;
    /** With the reranker. */
    readonly rescored: readonly MiningCase[];
  };
}

interface MiningCase {
  readonly settings: Record<string, number>;
  /** The negatives of each pair, by anchor and positive. */
  readonly negatives: Record<string, string[]>;
}

/** What sentence-transformers computes of given vectors. */
export const golden = JSON.parse(
  readFileSync(new URL("../../golden/metrics/embeddings.json", import.meta.url), "utf8"),
) as Golden;

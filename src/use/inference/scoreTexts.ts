/** Scores of documents for a query, by an open reranker. */
import type { RerankingExample } from "../../tasks/data/index.js";
import { type EncodedExample, encodeExamples, type ScorePrediction } from "../../tasks/index.js";
import { predictRows } from "../evaluation/predictRows.js";
import type { InferenceModel } from "./open.js";

interface ScoreSettings {
  readonly batchSize: number;
  readonly signal?: AbortSignal | undefined;
}

/** The rows of token ids of a query with each document, in order. @param first the number of documents before them */
export function pairRows(
  { task, tokenizer, model }: InferenceModel,
  {
    query,
    documents,
    first = 0,
  }: { readonly query: string; readonly documents: readonly string[]; readonly first?: number },
  maxLength: number,
): Promise<EncodedExample[]> {
  const examples = documents.map((document, i): RerankingExample => {
    const at = { file: `document ${first + i + 1}`, line: 0 };
    return { input: [query, document], label: undefined, at };
  });
  return encodeExamples(task, examples, tokenizer, { labels: undefined, maxLength, model: model.config });
}

/** The score of each row, in order. @throws BidoraError `NOT_FINITE` naming the row */
export async function scoreRows(
  { model, task, labels }: InferenceModel,
  rows: readonly EncodedExample[],
  { batchSize, signal }: ScoreSettings,
): Promise<number[]> {
  const scores: number[] = [];
  for await (const { prediction } of predictRows(model, rows, { task, labels, batchSize, signal }))
    scores.push((prediction as ScorePrediction).score);
  return scores;
}

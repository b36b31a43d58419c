import type { Location } from "../data/index.js";
import { type EmbeddingPrediction, encodeRows } from "../tasks/index.js";
import { predictRows } from "../train/evaluation.js";
import type { InferenceModel } from "./open.js";

/** A text, and its place in a file. */
export interface LocatedText {
  readonly text: string;
  readonly at: Location;
}

interface EmbedSettings {
  /** The prompt that stands before the texts, if the model has one of this name. */
  readonly promptName: "query" | "document";
  readonly maxLength: number;
  readonly batchSize: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The embedding of each text, in order.
 * @throws BidoraError `NOT_FINITE`, `EMPTY_TEXT` naming the row
 */
export async function embedTexts(
  { task, model, tokenizer }: InferenceModel,
  texts: readonly LocatedText[],
  { promptName, maxLength, batchSize, signal }: EmbedSettings,
): Promise<Float32Array[]> {
  const examples = texts.map(({ text, at }) => ({ input: [text], label: undefined, at: { ...at } }));
  const encoding = { labels: undefined, maxLength, promptName, model: model.config };
  const rows = await encodeRows(task, examples, tokenizer, encoding);
  signal?.throwIfAborted();
  const embeddings: Float32Array[] = [];
  for await (const { prediction } of predictRows(model, rows, { task, labels: [], batchSize, signal }))
    embeddings.push(Float32Array.from((prediction as EmbeddingPrediction).embedding));
  return embeddings;
}

/** Each text once, at its first place. */
export function differentTexts(texts: readonly LocatedText[]): LocatedText[] {
  const first = new Map<string, LocatedText>();
  for (const located of texts) if (!first.has(located.text)) first.set(located.text, located);
  return [...first.values()];
}

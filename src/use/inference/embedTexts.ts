import type { Location } from "../../tasks/data/index.js";
import type { EmbeddingRow } from "../../tasks/embedding/index.js";
import { type EmbeddingPrediction, encodeRows } from "../../tasks/index.js";
import { predictRows } from "../evaluation/evaluateRows.js";
import type { InferenceModel } from "./open.js";

/** A text, and its place in a file. */
export interface LocatedText {
  readonly text: string;
  readonly at: Location;
}

interface EncodeSettings {
  /** The prompt that stands before the texts, if the model has one of this name; the model's default if undefined. */
  readonly promptName?: "query" | "document";
  readonly maxLength: number;
}

interface EmbedSettings {
  readonly batchSize: number;
  readonly signal?: AbortSignal | undefined;
}

/**
 * The embedding of each text, in order.
 * @throws BidoraError `NOT_FINITE`, `EMPTY_TEXT` naming the row
 */
export async function embedTexts(
  open: InferenceModel,
  texts: readonly LocatedText[],
  settings: EncodeSettings & EmbedSettings,
): Promise<Float32Array[]> {
  const rows = await tokenRowsOf(open, texts, settings);
  settings.signal?.throwIfAborted();
  return (await embedRows(open, rows, settings)).map((embedding) => Float32Array.from(embedding));
}

/** The rows of token ids of texts, in order. @throws BidoraError `EMPTY_TEXT` naming the row */
export async function tokenRowsOf(
  { task, model, tokenizer }: InferenceModel,
  texts: readonly LocatedText[],
  { promptName, maxLength }: EncodeSettings,
): Promise<EmbeddingRow[]> {
  const examples = texts.map(({ text, at }) => ({ input: [text], label: undefined, at: { ...at } }));
  const rows = await encodeRows(task, examples, tokenizer, {
    labels: undefined,
    maxLength,
    promptName,
    model: model.config,
  });
  return rows as EmbeddingRow[];
}

/** The embedding of each row, in order. @throws BidoraError `NOT_FINITE` naming the row */
export async function embedRows(
  { task, model }: InferenceModel,
  rows: readonly EmbeddingRow[],
  { batchSize, signal }: EmbedSettings,
): Promise<(readonly number[])[]> {
  const embeddings: (readonly number[])[] = [];
  for await (const { prediction } of predictRows(model, rows, { task, labels: [], batchSize, signal }))
    embeddings.push((prediction as EmbeddingPrediction).embedding);
  return embeddings;
}

/** Each text once, at its first place. */
export function differentTexts(texts: readonly LocatedText[]): LocatedText[] {
  const first = new Map<string, LocatedText>();
  for (const located of texts) if (!first.has(located.text)) first.set(located.text, located);
  return [...first.values()];
}

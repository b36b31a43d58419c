import type { EmbeddingExample, Example, Location } from "../../tasks/data/index.js";
import {
  type EmbeddedText,
  type EmbeddingPrediction,
  type EncodedEmbeddingExample,
  encodeExamples,
} from "../../tasks/index.js";
import { predictRows } from "../evaluation/predictRows.js";
import type { InferenceModel } from "./open.js";
import { lengthFor } from "./predictions.js";

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
): Promise<EncodedEmbeddingExample[]> {
  const examples = texts.map(({ text, at }) => ({ input: [text], label: undefined, at: { ...at } }));
  const rows = await encodeExamples(task, examples, tokenizer, {
    labels: undefined,
    maxLength,
    promptName,
    model: model.config,
  });
  return rows as EncodedEmbeddingExample[];
}

/** The embedding of each row, in order. @throws BidoraError `NOT_FINITE` naming the row */
export async function embedRows(
  { task, model }: InferenceModel,
  rows: readonly EncodedEmbeddingExample[],
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

/** Of a search among texts. */
export interface CorpusSettings {
  /** A file of texts. */
  readonly corpus?: string | undefined;
  readonly maxLength: number;
  readonly batchSize: number;
  /** The settings that the user gave. */
  readonly given: object;
  readonly signal?: AbortSignal | undefined;
}

/** Whether examples are pairs whose anchors' positives are searched for. */
export const arePairs = ({ task }: Pick<InferenceModel, "task">, examples: readonly Example[]): boolean =>
  task.embedding !== undefined &&
  (examples as readonly EmbeddingExample[]).every(({ label }) => label?.score === undefined);

/**
 * What positives are searched among besides those of the evaluated rows: the positives of the file's other rows, and the corpus.
 * @param limit the number of evaluated rows
 */
export async function searchCorpus(
  open: InferenceModel,
  examples: readonly EmbeddingExample[],
  limit: number,
  settings: CorpusSettings,
): Promise<readonly EmbeddedText[]> {
  const positives = examples.map(({ input, at }) => ({ text: input[1]!, at }));
  const own = new Set(positives.slice(0, limit).map(({ text }) => text));
  const corpus = await readCorpus(open, settings);
  const others = differentTexts([...positives.slice(limit), ...corpus]).filter(({ text }) => !own.has(text));
  const { batchSize, signal } = settings;
  const maxLength = lengthFor(settings, open);
  const embeddings = await embedTexts(open, others, { promptName: "document", maxLength, batchSize, signal });
  return others.map(({ text }, i) => ({ text, embedding: embeddings[i]! }));
}

/** The texts of the corpus, a file with one text per row. */
export async function readCorpus(
  { task }: InferenceModel,
  { corpus }: CorpusSettings,
): Promise<readonly LocatedText[]> {
  if (corpus === undefined) return [];
  const { examples } = await task.read(corpus, { labels: "optional" });
  return (examples as readonly EmbeddingExample[]).map(({ input: [text], at }) => ({ text: text as string, at }));
}

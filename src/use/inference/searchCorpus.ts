import type { EmbeddingExample, Example } from "../../tasks/data/index.js";
import type { EmbeddedText } from "../../tasks/index.js";
import { differentTexts, embedTexts, type LocatedText } from "./embedTexts.js";
import type { InferenceModel } from "./open.js";
import { lengthFor } from "./predictions.js";

interface CorpusSettings {
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
  const positives = examples.map(({ input, at }) => ({ text: input[1] as string, at }));
  const own = new Set(positives.slice(0, limit).map(({ text }) => text));
  const corpus = settings.corpus === undefined ? [] : await readCorpus(open, settings.corpus);
  const others = differentTexts([...positives.slice(limit), ...corpus]).filter(({ text }) => !own.has(text));
  const { batchSize, signal } = settings;
  const maxLength = lengthFor(settings, open);
  const embeddings = await embedTexts(open, others, { promptName: "document", maxLength, batchSize, signal });
  return others.map(({ text }, i) => ({ text, embedding: embeddings[i] as Float32Array }));
}

/** The texts of a file with one text per row. */
export async function readCorpus({ task }: InferenceModel, file: string): Promise<readonly LocatedText[]> {
  const { examples } = await task.read(file, { labels: "optional" });
  return (examples as readonly EmbeddingExample[]).map(({ input: [text], at }) => ({ text: text as string, at }));
}

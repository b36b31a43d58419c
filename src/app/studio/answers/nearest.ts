/** The training texts nearest to a text, by the cosines of their embeddings. */
import type { EmbeddingExample } from "../../../tasks/data/index.js";
import { cosine } from "../../../tasks/retrieval/index.js";
import { embedTexts, type InferenceModel, usualLengthFor } from "../../../use/inference/index.js";
import { fileState, Kept } from "../kept.js";
import { MOST_OPEN } from "./opened.js";
import type { AskedModel, Nearest, NearestQuestion } from "./protocol.js";

/** The most texts that are embedded. */
const MOST_TEXTS = 2000;
/** How many are shown. */
const SHOWN = 10;
const BATCH_SIZE = 32;

interface Corpus {
  readonly texts: readonly { readonly text: string; readonly line: number }[];
  readonly of: number;
  readonly embeddings: readonly Float32Array[];
}

/** Of the models that were asked last: embedding the texts takes longer than all else. */
const corpora = new Kept<Promise<Corpus>>(MOST_OPEN);

/** @throws BidoraError naming file, line or column at fault, `EMPTY_TEXT` */
export async function nearestTexts(
  open: InferenceModel,
  asked: AskedModel,
  { text, file, columns }: NearestQuestion,
  signal: AbortSignal,
): Promise<Nearest> {
  const state = [file, columns, fileState(file)];
  const corpus = await corpora.of(JSON.stringify(asked), state, () => corpusOf(open, file, columns, signal));
  const at = { file: "the text", line: 1 };
  const [own] = await embedTexts(open, [{ text, at }], { ...settingsOf(open, "query"), signal });
  const cosines = corpus.embeddings.map((embedding) => cosine(own!, embedding));
  const order = cosines.map((_, i) => i).sort((a, b) => cosines[b]! - cosines[a]!);
  const texts = order.slice(0, SHOWN).map((i) => ({ ...corpus.texts[i]!, cosine: cosines[i]! }));
  return { texts, searched: corpus.texts.length, of: corpus.of };
}

/** Of pairs the positives, which are what is searched for; of pairs with a score both texts. */
async function corpusOf(
  open: InferenceModel,
  file: string,
  columns: NearestQuestion["columns"],
  signal: AbortSignal,
): Promise<Corpus> {
  const { examples } = await open.task.read(file, { usualTextColumns: columns, dropUnlabeled: true });
  const found = new Map<string, number>();
  for (const { input, label, at } of examples as readonly EmbeddingExample[])
    for (const text of label?.score === undefined ? input.slice(1, 2) : input)
      if (text !== "" && !found.has(text)) found.set(text, at.line);
  const texts = [...found].slice(0, MOST_TEXTS).map(([text, line]) => ({ text, line }));
  const located = texts.map(({ text, line }) => ({ text, at: { file, line } }));
  const embeddings = await embedTexts(open, located, { ...settingsOf(open, "document"), signal });
  return { texts, of: found.size, embeddings };
}

const settingsOf = (open: InferenceModel, promptName: "query" | "document") => ({
  promptName,
  maxLength: usualLengthFor(open),
  batchSize: BATCH_SIZE,
});

/** Hard negatives for the rows of a file, with the embeddings of an open model. */
import { UsageError } from "../../base/index.js";
import { type EmbeddingExample, where } from "../../tasks/data/index.js";
import { trainedColumns } from "../../tasks/datasets/index.js";
import {
  hardNegatives,
  type NegativeOptions,
  type Relevance,
  type Rescore,
  relevanceOf,
} from "../../tasks/retrieval/index.js";
import { type CorpusSettings, differentTexts, embedTexts, readCorpus } from "./embedTexts.js";
import type { InferenceModel } from "./open.js";
import { lengthFor, usualLengthFor } from "./predictions.js";
import { pairRows, scoreRows } from "./scoreTexts.js";

/** A row to learn from. */
export interface MinedRow {
  readonly anchor: string;
  readonly positive: string;
  readonly negatives: readonly string[];
}

/** A row with its own negatives and those that were found, and the number of the latter. */
export interface Mined {
  readonly row: MinedRow;
  readonly found: number;
}

interface MiningSettings extends Omit<NegativeOptions, "rescore">, CorpusSettings {
  readonly input: string;
  readonly textColumns?: readonly string[] | undefined;
  /** Scores the candidates again. */
  readonly reranker?: InferenceModel | undefined;
}

/**
 * The rows of a file, in order, each with hard negatives. A row's own negatives are kept.
 * @throws UsageError for rows with scores; BidoraError for rows that do not fit
 */
export async function* mineNegatives(open: InferenceModel, settings: MiningSettings): AsyncGenerator<Mined> {
  const examples = await readPairs(open, settings);
  const corpus = await readCorpus(open, settings);
  const relevance = relevanceOf(
    examples.map(pairOf),
    corpus.map(({ text }) => text),
  );
  const positives = examples.map(({ input, at }) => ({ text: input[1]!, at }));
  const anchors = examples.map(({ input, at }) => ({ text: input[0]!, at }));
  const options = { maxLength: lengthFor(settings, open), batchSize: settings.batchSize, signal: settings.signal };
  const search = {
    queries: await embedTexts(open, differentTexts(anchors), { ...options, promptName: "query" }),
    documents: await embedTexts(open, differentTexts([...positives, ...corpus]), {
      ...options,
      promptName: "document",
    }),
    signal: settings.signal,
  };
  const found = new Map<string, string[]>();
  const chosen = { ...settings, rescore: settings.reranker && rescoreBy(settings.reranker, relevance, settings) };
  for await (const hits of hardNegatives(search, relevance, excludedFrom(relevance, examples), chosen))
    found.set(
      relevance.queries[found.size]!,
      hits.map(({ document }) => relevance.documents[document]!),
    );
  for (const { input } of examples) yield rowWith(input, found.get(input[0]!)!);
}

/** Scores by a reranker, of texts within its own length. */
function rescoreBy(
  reranker: InferenceModel,
  { queries, documents }: Relevance,
  { batchSize, signal }: Pick<MiningSettings, "batchSize" | "signal">,
): Rescore {
  const maxLength = usualLengthFor(reranker);
  return async (query, places) => {
    const texts = { query: queries[query]!, documents: places.map((place) => documents[place]!) };
    return scoreRows(reranker, await pairRows(reranker, texts, maxLength), { batchSize, signal });
  };
}

function rowWith([anchor, positive, ...own]: readonly string[], found: readonly string[]): Mined {
  return { row: { anchor: anchor!, positive: positive!, negatives: [...own, ...found] }, found: found.length };
}

const pairOf = ({ input: [anchor, positive] }: EmbeddingExample) => ({ anchor: anchor!, positive: positive! });

async function readPairs(
  { task, metadata }: InferenceModel,
  settings: MiningSettings,
): Promise<readonly EmbeddingExample[]> {
  const { textColumns, input } = settings;
  const { examples } = await task.read(input, { textColumns, ...trainedColumns(metadata) });
  const pairs = examples as readonly EmbeddingExample[];
  const scored = pairs.find(({ label }) => label?.score !== undefined);
  if (scored)
    throw new UsageError(
      `${where(scored.at)} has a score: negatives are for pairs of anchor and positive; name their columns with --text-columns.`,
    );
  return pairs;
}

/**
 * The documents that are no negatives of each query although they are not relevant to it: the anchor itself, the negatives that its rows
 * have, and what differs from a text of its rows in case or spacing only.
 */
function excludedFrom({ queries, documents }: Relevance, examples: readonly EmbeddingExample[]): Set<number>[] {
  const places = new Map<string, number[]>();
  for (const [place, text] of documents.entries()) placesOf(places, folded(text)).push(place);
  const texts = new Map<string, Set<string>>(queries.map((query) => [query, new Set()]));
  for (const { input } of examples) for (const text of input) texts.get(input[0]!)!.add(folded(text));
  return queries.map((query) => new Set([...texts.get(query)!].flatMap((text) => places.get(text) ?? [])));
}

function placesOf(places: Map<string, number[]>, key: string): number[] {
  const known = places.get(key) ?? [];
  places.set(key, known);
  return known;
}

/** A text without what many tokenizers ignore. */
const folded = (text: string): string => text.normalize("NFKC").toLowerCase().trim().replaceAll(/\s+/gu, " ");

/** An open model's predictions for rows, in the form that the command `predict` writes. */
import { BidoraError, type CallContext } from "../../base/index.js";
import { namingBadWeightsIn } from "../../models/index.js";
import { rowOptions } from "../../tasks/config/index.js";
import {
  type Dataset,
  type Example,
  type LanguageExample,
  loadLanguage,
  type RowSource,
} from "../../tasks/data/index.js";
import { readExamples, trainedColumns } from "../../tasks/datasets/index.js";
import { encodeExamples, maxLengthOf } from "../../tasks/index.js";
import { predictRows } from "../evaluation/predictRows.js";
import type { InferenceModel, OpenModel } from "./open.js";
import { referenceRows } from "./referenceRows.js";
import { greedyPlan, TextGenerator } from "./textGenerator.js";

/** The prediction for a row, in the form of a line of the predictions file. Its keys depend on the task. */
export interface Prediction {
  /** Classification: the most likely label, and its softmax probability. */
  readonly label?: string;
  /** Also for question answering: the probability of the answer; for reranking, the score of the document. */
  readonly score?: number;
  /** Classification: in the order of the labels; of words a list each, null for a word without tokens. */
  readonly logits?: readonly (number | readonly number[] | null)[];
  /** Multi-label classification: those with a score of at least 0.5. Words: the label of each. */
  readonly labels?: readonly (string | null)[];
  /** Multi-label classification: the probability of each label. */
  readonly scores?: readonly number[];
  /** Regression. */
  readonly value?: number;
  /** The words of the row; for a language model, the ids of the new tokens. */
  readonly tokens?: readonly (string | number)[];
  /** Question answering: the answer, and its start and end in the context, in code points. */
  readonly answer?: string;
  readonly start?: number;
  readonly end?: number;
  /** Language models: the text after the prompt. */
  readonly text?: string;
  /** Embeddings of texts. */
  readonly embedding?: readonly number[];
  /** A custom task may have other keys. */
  readonly [key: string]: unknown;
}

interface PredictionSettings extends CallContext {
  readonly batchSize: number;
  readonly maxLength: number;
  readonly textColumns?: readonly string[] | undefined;
  /** The maximum number of tokens to generate, for a language model. */
  readonly maxNewTokens?: number | undefined;
  readonly given: object;
}

/** Returns the examples to predict; calls `read` if they are the source's rows. */
export type ExamplesOf = (read: () => Promise<Dataset>) => Promise<readonly Example[]>;

/**
 * The prediction for each row, in the order of the rows.
 * @throws BidoraError `NOT_FINITE` naming the row, and for rows that do not fit the model
 */
export function predictions(
  open: InferenceModel,
  source: RowSource,
  settings: PredictionSettings,
  examplesOf: ExamplesOf = async (read) => (await read()).examples,
): AsyncGenerator<Prediction> {
  const predict = open.task.isGenerative ? generatedAnswers : headPredictions;
  return namingBadWeightsIn(open, predict(open, source, settings, examplesOf));
}

async function* headPredictions(
  open: InferenceModel,
  source: RowSource,
  settings: PredictionSettings,
  examplesOf: ExamplesOf,
): AsyncGenerator<Prediction> {
  const { task, labels, model, tokenizer } = open;
  const { textColumns, batchSize, signal, onNote } = settings;
  const examples = await examplesOf(async () => {
    const columns = { textColumns, ...trainedColumns(open.metadata) };
    const dataset = await readExamples(task, source, { ...columns, onNote }, "optional");
    checkTexts(dataset, open, source, settings);
    return dataset;
  });
  const maxLength = lengthFor(settings, open);
  const encoding = { labels: undefined, maxLength, model: model.config };
  const encoded = await encodeExamples(task, examples.map(withoutLabel), tokenizer, encoding);
  signal?.throwIfAborted();
  const options = { task, labels, batchSize, signal };
  const rows = await referenceRows(open, encoded, options, { onNote });
  for await (const { prediction } of predictRows(model, rows, options))
    yield (task.written?.(prediction) ?? prediction) as Prediction;
}

/** Generates with greedy decoding. Leaves out an answer at the end of a conversation, since it is to be predicted. */
async function* generatedAnswers(
  open: InferenceModel,
  source: RowSource,
  settings: PredictionSettings,
  examplesOf: ExamplesOf,
): AsyncGenerator<Prediction> {
  const { textColumns, batchSize, maxNewTokens, signal, onNote } = settings;
  const { usualTextColumns } = trainedColumns(open.metadata);
  const columns = { textColumns, usualTextColumns };
  const examples = await examplesOf(() => loadLanguage(source, { labels: "optional", ...columns, onNote }));
  const maxLength = "maxLength" in settings.given ? settings.maxLength : undefined;
  const generator = await TextGenerator.of(open, greedyPlan(open, maxNewTokens), { batchSize, maxLength });
  signal?.throwIfAborted();
  for await (const { text, tokens } of generator.examples((examples as LanguageExample[]).map(withoutAnswer), {
    signal,
  }))
    yield { text, tokens };
}

function withoutAnswer(example: LanguageExample): LanguageExample {
  const { input } = example;
  if (input.kind !== "messages" || input.messages.length < 2 || input.messages.at(-1)?.role !== "assistant")
    return example;
  return { ...example, input: { ...input, messages: input.messages.slice(0, -1) } };
}

/** Removes labels, which the model may not know. */
function withoutLabel(example: Example): Example {
  return { ...example, label: undefined };
}

/** `--max-length` if given, otherwise the length that the model was trained with, or an embedding model's own; at most the model's maximum. */
export function lengthFor(
  { maxLength, given }: Pick<PredictionSettings, "maxLength" | "given">,
  { metadata, tokenizer, model, task }: Pick<InferenceModel, "metadata" | "tokenizer" | "model" | "task">,
): number {
  const isGiven = "maxLength" in given;
  const { maxTokens } = model.config;
  const usual = task.embedding || task.reranking ? maxTokens : maxLength;
  const wanted = isGiven ? maxLength : (metadata?.maxLength ?? task.maxLength ?? usual);
  return maxLengthOf(wanted, isGiven, { tokenizer, modelTokens: maxTokens, folderLength: task.maxLength });
}

/** The same without settings. */
export const usualLengthFor = (open: Parameters<typeof lengthFor>[1]): number =>
  lengthFor({ maxLength: rowOptions.maxLength.default, given: {} }, open);

/**
 * Checks that rows have pairs of texts if the model was trained on pairs, and otherwise single texts, unless the user names the columns.
 * @throws BidoraError `UNKNOWN_COLUMN` naming both
 */
export function checkTexts(
  { columns }: Pick<Dataset, "columns">,
  { metadata, task }: Pick<OpenModel, "metadata" | "task">,
  source: RowSource,
  { textColumns: given }: { readonly textColumns?: readonly string[] | undefined },
): void {
  const [trained, found] = [metadata?.textColumns, columns?.text];
  if (given || task.isGenerative || task.contrastive || !trained || !found || trained.length === found.length) return;
  const path = typeof source === "string" ? source : source.file;
  throw new BidoraError(
    "UNKNOWN_COLUMN",
    `The model was trained on ${trained.join(" and ")}, but ${path} has ${found.join(" and ")} for it: name the columns by --text-columns.`,
  );
}

import { own } from "../common/collections.js";
import { BidoraError, UsageError } from "../common/errors.js";
import {
  byPrompt,
  type Example,
  type LanguageExample,
  loadReferences,
  loadTable,
  meaningsOf,
  type References,
  rowError,
  where,
} from "../data/index.js";
import { positiveOf, type TaskChoice } from "../datasets/choice.js";
import type { Split } from "../datasets/dataset.js";
import { isNamedFolder, readLabelled } from "../datasets/splits.js";
import { textScorer } from "../tasks/index.js";
import type { Judgement } from "../train/evaluation.js";
import { spellLabels } from "./predictedLabels.js";

/** Predictions, and the rows that they are for. */
export interface PredictionFile {
  readonly data: string;
  readonly split?: Split | undefined;
  readonly limit?: number | undefined;
  readonly textColumns?: readonly string[] | undefined;
  readonly labelColumn?: readonly string[] | undefined;
  /** One JSON object per row, as `predict` writes them. */
  readonly predictions: string;
}

/** Compares a file of predictions with labelled rows, as many and in the same order. Needs no model. */
export async function judgePredictions(
  settings: PredictionFile,
  choice: TaskChoice | undefined,
): Promise<{ readonly judgements: readonly Judgement[]; readonly rows: number }> {
  if (!choice) throw new UsageError("--task is missing: it says how --predictions are judged.");
  const { rows: lines } = await loadTable(settings.predictions);
  const written = lines.map(({ values, line }) => ({ values, at: { file: settings.predictions, line } }));
  const judge = choice.task.isGenerative ? judgeTexts : judgeLabels;
  const judgement = await judge(settings, choice, written);
  return { judgements: [judgement], rows: judgement.measured.length };
}

interface Written {
  readonly values: object;
  readonly at: Example["at"];
}

type Judge = (settings: PredictionFile, choice: TaskChoice, written: readonly Written[]) => Promise<Judgement>;

const judgeTexts: Judge = async (settings, choice, written) => {
  const known = await referencesOf(settings, choice, written.length);
  const texts = readPredictions<{ text: string }>(settings, choice, written, known.length, "texts to compare with");
  const { metric } = textScorer;
  const measured = known.map(({ references }, i) => metric.measure(references, texts[i] as { text: string }, i + 1));
  return { metrics: metric.result(measured), metric: metric as Judgement["metric"], measured };
};

/** Those of each meaning of a data set; of a file's rows one by one, unless there are as many texts as different prompts. */
async function referencesOf(
  settings: PredictionFile,
  choice: TaskChoice,
  count: number,
): Promise<readonly Pick<References, "references">[]> {
  const { data, split, limit } = settings;
  if (isNamedFolder(choice, data)) {
    const { examples } = await readLabelled(choice, data, split, settings);
    return meaningsOf(examples as readonly LanguageExample[]).slice(0, limit);
  }
  const rows = await loadReferences(data);
  const prompts = rows.every(({ prompt }) => prompt !== undefined) ? byPrompt(rows).slice(0, limit) : [];
  const each = rows.slice(0, limit);
  if (prompts.length !== count) return each;
  if (each.length === count && JSON.stringify(each) !== JSON.stringify(prompts))
    throw new UsageError(
      `--limit ${limit} leaves it open whether the ${count} texts are for ${data}'s first rows or for its first prompts, of which some have several rows: leave it out, or put the rows of each prompt into one with references.`,
    );
  return prompts;
}

const judgeLabels: Judge = async (settings, choice, written) => {
  const { data, split, limit } = settings;
  const all = await readLabelled(choice, data, split, settings);
  const examples = all.examples.slice(0, limit);
  const read = readPredictions<object>(settings, choice, written, examples.length, "labelled rows");
  const spelled = choice.task.outputs ? undefined : spellLabels(choice, all, read);
  const { labels, predictions } = spelled ?? { labels: undefined, predictions: read };
  const { metric } = choice.task.scorer({
    labels: labels?.names ?? [],
    metrics: choice.metrics,
    positive: positiveOf(choice, labels),
  });
  const measured = predictions.map((prediction, i) => {
    const example = examples[i] as Example;
    checkWords(written[i] as Written, example);
    return metric.measure(choice.task.reference(example, labels), prediction, i + 1);
  });
  return { metrics: metric.result(measured), metric, measured };
};

/** Where a prediction brings the words that it is about, they are its row's. @throws BidoraError naming the line */
function checkWords({ values, at }: Written, { input, at: row }: Example): void {
  const words = own(values as Readonly<Record<string, unknown>>, "tokens");
  if (!Array.isArray(words) || !Array.isArray(input) || JSON.stringify(words) === JSON.stringify(input)) return;
  throw rowError(at.file, at.line, `the tokens are other ones than in ${where(row)}: the same rows are expected.`);
}

/** @throws BidoraError for another number than there are rows, or naming the line that says nothing for the task */
function readPredictions<Prediction>(
  { predictions, data }: PredictionFile,
  { task, kind }: TaskChoice,
  written: readonly Written[],
  expected: number,
  what: string,
): Prediction[] {
  if (!task.prediction) throw new UsageError(`Predictions of ${kind} can't be read from a file.`);
  const schema = task.prediction;
  if (written.length !== expected)
    throw new BidoraError(
      "PREDICTIONS",
      `${predictions} has ${written.length} predictions, but ${data} has ${expected} ${what}: one a row is expected, in the same order.`,
    );
  return written.map(({ values, at }) => {
    const read = schema.safeParse(values);
    if (read.success) return read.data as Prediction;
    const [issue] = read.error.issues;
    const key = issue?.path.join(".") ?? "";
    throw rowError(
      at.file,
      at.line,
      `a prediction of ${kind} is expected, but ${key || "it"} does not fit: ${issue?.message}.`,
    );
  });
}

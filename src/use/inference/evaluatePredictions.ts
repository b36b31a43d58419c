/** Metrics of a file of predictions for labeled rows, without a model. */
import { BidoraError, type CallContext, firstFault, own, UsageError } from "../../base/index.js";
import {
  byPrompt,
  type Dataset,
  type Example,
  type LabelMap,
  type LanguageExample,
  labelMap,
  loadReferences,
  loadTable,
  promptsWithReferences,
  type References,
  rowError,
  where,
} from "../../tasks/data/index.js";
import {
  isNamedFolder,
  namedDatasets,
  positiveOf,
  readLabeled,
  type Split,
  type TaskChoice,
} from "../../tasks/datasets/index.js";
import { type ExamplePrediction, positiveName, textScorer } from "../../tasks/index.js";
import type { Evaluation } from "../evaluation/evaluateRows.js";

/** Predictions, and the rows that they are for. */
interface PredictionFile extends CallContext {
  readonly data: string;
  readonly split?: Split | undefined;
  readonly limit?: number | undefined;
  readonly textColumns?: readonly string[] | undefined;
  readonly labelColumn?: readonly string[] | undefined;
  readonly positiveLabel?: string | undefined;
  readonly dropUnlabeled?: undefined;
  /** One JSON object per row, as `predict` writes them. */
  readonly predictions: string;
}

/** Evaluates a file of predictions against the same number of labeled rows in the same order, without a model. */
export async function evaluatePredictions(
  settings: PredictionFile,
  choice: TaskChoice | undefined,
): Promise<{ readonly evaluations: readonly Evaluation[]; readonly rows: number }> {
  if (!choice) throw new UsageError("--task is missing: it determines how --predictions are evaluated.");
  const { rows: lines } = await loadTable(settings.predictions);
  const written = lines.map(({ values, line }) => ({ values, at: { file: settings.predictions, line } }));
  const score = choice.task.isGenerative ? scoreTexts : scoreLabels;
  const evaluation = await score(settings, choice, written);
  return { evaluations: [evaluation], rows: written.length };
}

interface Written {
  readonly values: object;
  readonly at: Example["at"];
}

type Score = (settings: PredictionFile, choice: TaskChoice, written: readonly Written[]) => Promise<Evaluation>;

const scoreTexts: Score = async (settings, choice, written) => {
  const known = await referencesOf(settings, choice, written.length);
  const texts = readPredictions<{ text: string }>(settings, choice, written, known.length, "texts to compare with");
  const { metric } = textScorer;
  const measured = known.map(({ references }, i) => metric.measure(references, texts[i] as { text: string }, i + 1));
  return { metrics: metric.result(measured), metric: metric as Evaluation["metric"], measured };
};

/** The references of each row of a file, or of each prompt of a data set or of a file with as many prompts as texts. */
async function referencesOf(
  settings: PredictionFile,
  choice: TaskChoice,
  count: number,
): Promise<readonly Pick<References, "references">[]> {
  const { data, split, limit } = settings;
  if (isNamedFolder(choice, data)) {
    const { examples } = await readLabeled(choice, data, split, settings);
    return promptsWithReferences(examples as readonly LanguageExample[]).slice(0, limit);
  }
  const rows = await loadReferences(data);
  const prompts = rows.every(({ prompt }) => prompt !== undefined) ? byPrompt(rows).slice(0, limit) : [];
  const each = rows.slice(0, limit);
  if (prompts.length !== count) return each;
  if (each.length === count && JSON.stringify(each) !== JSON.stringify(prompts))
    throw new UsageError(
      `With --limit ${limit} it is unclear whether the ${count} texts are for ${data}'s first rows or its first prompts, since some prompts have several rows: leave --limit out, or merge the rows of each prompt into one with references.`,
    );
  return prompts;
}

const scoreLabels: Score = async (settings, choice, written) => {
  const { data, split, limit } = settings;
  const all = await readLabeled(choice, data, split, settings);
  const examples = all.examples.slice(0, limit);
  const read = readPredictions<object>(settings, choice, written, examples.length, "labeled rows");
  const spelled = choice.task.outputs ? undefined : spellLabels(choice, all, read);
  const { labels, predictions } = spelled ?? { labels: undefined, predictions: read };
  const positive = positiveOf(choice, labels, { asked: settings.positiveLabel, examples: all.examples });
  const { metric } = choice.task.scorer({ labels: labels?.names ?? [], metrics: choice.metrics, positive });
  const scored = examples.map((example, i): ExamplePrediction => {
    checkWords(written[i]!, example);
    const reference = choice.task.reference(example, labels);
    return { example: { ...NO_TOKENS, source: example.input, reference, at: example.at }, prediction: predictions[i]! };
  });
  const together = choice.task.contrastive?.together();
  for (const one of scored) together?.add(one);
  const measured = ((await together?.scored()) ?? scored).map(({ example: { reference }, prediction }, i) =>
    metric.measure(reference, prediction, i + 1),
  );
  const { units } = together ?? {};
  const named = positiveName(metric, labels?.names, positive);
  return { metrics: metric.result(measured), metric, measured, ...named, ...(units && { units }) };
};

/** What an example has that was not encoded. */
const NO_TOKENS = { inputIds: [], tokenTypeIds: [], target: undefined };

/** Checks that a prediction's words, if it has them, are those of its row. @throws BidoraError naming the line */
function checkWords({ values, at }: Written, { input, at: row }: Example): void {
  const words = own(values as Readonly<Record<string, unknown>>, "tokens");
  if (!Array.isArray(words) || !Array.isArray(input) || JSON.stringify(words) === JSON.stringify(input)) return;
  throw rowError(
    at.file,
    at.line,
    `the tokens differ from those in ${where(row)}: expected predictions for the same rows.`,
  );
}

/** @throws BidoraError for a wrong number of predictions, or naming a line that is not a prediction for the task */
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
      `${predictions} has ${written.length} predictions, but ${data} has ${expected} ${what}: expected one per row, in the same order.`,
    );
  return written.map(({ values, at }) => {
    const read = schema.safeParse(values);
    if (read.success) return read.data as Prediction;
    const { key, what } = firstFault(read.error.issues, "it");
    throw rowError(at.file, at.line, `expected a prediction for ${kind}, but ${key} is invalid: ${what}.`);
  });
}

/** Predictions with labels spelled as in the rows, and all labels. */
interface SpelledPredictions {
  readonly labels: LabelMap;
  readonly predictions: readonly object[];
}

/**
 * Spells predicted labels as in the rows. A model may have them in another case, as placeholders (`LABEL_1`) or as a named data set's
 * numeric ids, and rows may have ids. A label that no row has is kept and counts as wrong.
 * @throws BidoraError `PREDICTIONS` if a named data set has none of the predicted labels, if only one side has numbers, or if all rows
 *   have the label -1, which in the Hub's test files stands for an unpublished label
 */
function spellLabels(
  { dataset: name }: Pick<TaskChoice, "dataset">,
  dataset: Dataset,
  predictions: readonly object[],
): SpelledPredictions {
  const numbered = name ? namedDatasets[name].labelNames : [];
  // by its label names, so that the result does not depend on whether rows have names or ids
  const rowLabels = labelMap(dataset.examples, { checkpoint: numbered, dataset: dataset.labelNames });
  const { names } = rowLabels;
  const spell = spelling(names, numbered);
  const spelled = predictions.map((prediction) => withLabels(prediction, spell));
  const found = [...new Set(spelled.flatMap(labelsIn))];
  const others = found.filter((name) => rowLabels.find(name) === undefined);
  const isPublished = dataset.labelNames !== undefined || numbered.length > 0;
  const isOther = isPublished || areNumbers(found) !== areNumbers(names) || names.every((name) => name === UNLABELED);
  if (isOther && found.length > 0 && others.length === found.length)
    throw new BidoraError(
      "PREDICTIONS",
      `none of the predicted labels (${found.join(", ")}) occurs in the rows (${names.join(", ")}): expected predictions with these names.`,
    );
  return { labels: withUnnamed(rowLabels.and(others), predictions), predictions: spelled };
}

/**
 * Adds placeholders for the model's labels that occur neither in rows nor in predictions, since they count in means over all labels, and
 * only binary classification has a positive label. With two labels, a single known name does not determine the positive one.
 */
function withUnnamed(labels: LabelMap, predictions: readonly Labeled[]): LabelMap {
  const count = predictions.reduce((most, { logits = [] }) => Math.max(most, logits.length), 0);
  const isOneOfTwo = count === 2 && predictions.some(({ label }) => label !== undefined);
  const unnamed = isOneOfTwo ? 0 : Math.max(0, count - labels.names.length);
  return labels.and(Array.from({ length: unnamed }, (_, i) => `unnamed label ${i + 1}`));
}

/** Stands for a label that was not published. */
const UNLABELED = "-1";

const ID = /^(?:LABEL_)?(\d+)$/;

const areNumbers = (names: readonly string[]): boolean => names.every((name) => ID.test(name));

/** @param numbered the label names of a data set by id; empty if only its files have them */
function spelling(names: readonly string[], numbered: readonly string[]): (name: string) => string {
  const exact = new Set(names);
  const lower = new Map(names.map((name) => [name.toLowerCase(), name]));
  const ids = new Map(numbered.map((name, id) => [name.toLowerCase(), String(id)]));
  const known = (name: string): string | undefined => (exact.has(name) ? name : undefined);
  return (name) => {
    const id = ID.exec(name)?.[1] ?? ids.get(name.toLowerCase()) ?? name;
    const folded = lower.size === names.length ? lower.get(name.toLowerCase()) : undefined;
    return known(name) ?? known(numbered[Number(id)] ?? id) ?? folded ?? name;
  };
}

interface Labeled {
  readonly label?: string;
  readonly labels?: readonly (string | null)[];
  /** One per label of the model. */
  readonly logits?: readonly unknown[];
}

function withLabels(prediction: object, spell: (name: string) => string): object {
  const { label, labels } = prediction as Labeled;
  return {
    ...prediction,
    ...(label !== undefined && { label: spell(label) }),
    ...(labels && { labels: labels.map((name) => name && spell(name)) }),
  };
}

function labelsIn(prediction: object): string[] {
  const { label, labels = [] } = prediction as Labeled;
  return [...(label === undefined ? [] : [label]), ...labels.filter((name) => name !== null)];
}

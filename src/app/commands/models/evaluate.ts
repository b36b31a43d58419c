/** `bidora evaluate`: the metrics of a model on labeled rows. */

import { type CallContext, UsageError } from "../../../base/index.js";
import type { Metrics } from "../../../base/records/index.js";
import { type Given, refuseWithoutEffect, type Settings } from "../../../base/settings/index.js";
import { namingBadWeights, weightsIn } from "../../../models/index.js";
import {
  type Dataset,
  type EmbeddingExample,
  examplesByPrompt,
  examplesOfPrompts,
  type LabelMap,
  type LanguageExample,
} from "../../../tasks/data/index.js";
import {
  chosenTask,
  isNamedFolder,
  knownPositive,
  labelsForInference,
  positiveOf,
  readLabeled,
  type TaskChoice,
  taskOf,
  trainedColumns,
} from "../../../tasks/datasets/index.js";
import { encodeExamples, requireTextScores, type Task, type TaskSettings } from "../../../tasks/index.js";
import { type ConfidenceInterval, confidenceIntervals } from "../../../tasks/metrics/index.js";
import {
  arrangedRows,
  type Evaluation,
  type EvaluationOptions,
  evaluateRows,
  evaluateTexts,
  notesOf,
  noteWithoutLoss,
  usedRows,
} from "../../../use/evaluation/index.js";
import {
  arePairs,
  checkTexts,
  evaluatePredictions,
  findModel,
  type InferenceModel,
  lengthFor,
  openForInference,
  referenceRows,
  searchCorpus,
} from "../../../use/inference/index.js";
import { type Context, call, defineCommand, formatMetrics, HUB_HOOKS, type HubHooks } from "../command.js";
import { evaluateOptions as options } from "./evaluateOptions.js";

/** What `evaluate` takes: the flags of `bidora evaluate`, in camelCase. */
export type EvaluateSettings = Given<typeof options>;

/** The result of `evaluate`. */
export interface EvaluateResult {
  readonly metrics: Metrics;
  /** Confidence intervals of the metrics, with `confidence`; null if the rows say nothing about a metric's spread. */
  readonly intervals?: Readonly<Record<string, ConfidenceInterval | null>>;
  /** Notes on what the metrics don't show, one sentence each; absent if there are none. */
  readonly notes?: readonly string[];
  /** The label that precision, recall and F1 are of, if there are any. */
  readonly positiveLabel?: string;
  /** The number of evaluated rows. */
  readonly rows: number;
}

type EvaluateCall = Settings<typeof options>;

export const evaluateCommand = defineCommand({
  usage: "evaluate --model M [--adapter A] --task TASK --data PATH",
  about: "Computes the metrics of a model on labeled rows.",
  options,
  hooks: [...HUB_HOOKS, "task"],
  async run(settings, context): Promise<EvaluateResult> {
    const { data, predictions } = settings;
    if (data === undefined)
      throw new UsageError("--data is missing: give a file with labeled rows, or a named data set's folder.");
    const named = chosenTask(settings.task, context.task);
    const isDatasetFolder = named !== undefined && isNamedFolder(named, data);
    refuseWithoutEffect(options, settings, {
      isDatasetFolder,
      isGenerative: named && named.task.isGenerative === true,
    });
    const found =
      predictions === undefined
        ? await evaluateModel({ ...settings, data }, named, context)
        : await evaluatePredictions(
            { ...settings, data, predictions, dropUnlabeled: undefined, onNote: context.onNote },
            named,
          );
    const { notes, ...figures } = figuresOf(found, settings);
    for (const note of notes) context.onNote?.(note);
    const { positiveLabel } = Object.assign({}, ...found.evaluations) as Evaluation;
    const ofClass = positiveLabel !== undefined && { positiveLabel };
    return { ...figures, ...ofClass, ...(notes.length > 0 && { notes }), rows: found.rows };
  },
  show: ({ metrics, intervals, positiveLabel, notes }) => ({
    value: { ...metrics, positiveLabel, ...(intervals && { intervals }), ...(notes && { notes }) },
    text: formatMetrics(metrics, { intervals, positiveLabel }),
  }),
});

/**
 * The task's metrics for a model, with its adapter if one is given, on labeled rows; with `predictions`, for a file of predictions, without
 * a model.
 * @throws UsageError for missing settings, BidoraError for rows or files that do not fit
 */
export const evaluate = (settings: EvaluateSettings, hooks: HubHooks<"task"> = {}): Promise<EvaluateResult> =>
  call("evaluate", evaluateCommand, settings, hooks);

/** The results for each kind of metric. */
interface Evaluated {
  readonly evaluations: readonly Evaluation[];
  readonly rows: number;
}

function figuresOf(
  { evaluations }: Evaluated,
  { confidence, seed }: Pick<EvaluateCall, "confidence" | "seed">,
): Pick<EvaluateResult, "metrics" | "intervals"> & { readonly notes: readonly string[] } {
  const metrics = Object.assign({}, ...evaluations.map((evaluation) => evaluation.metrics));
  const notes = evaluations.flatMap(notesOf);
  if (confidence === undefined) return { metrics, notes };
  const each = evaluations.map(({ metric, measured, units }) =>
    confidenceIntervals(metric, measured, { confidence, seed }, units),
  );
  const intervals = Object.assign({}, ...each.map((found) => found.intervals));
  return { metrics, intervals, notes: [...notes, ...each.flatMap((found) => found.notes)] };
}

async function evaluateModel(
  settings: EvaluateCall & { readonly data: string },
  named: TaskChoice | undefined,
  context: Context,
): Promise<Evaluated> {
  const found = await findModel(settings, context);
  const open = await openForInference(found, { ...settings, settings: lossOf(settings) }, named);
  const choice = { ...(named ?? taskOf(open.kind)), task: open.task };
  const overrides = textOverrides(settings, choice);
  if (overrides) requireTextScores();
  const all = await readLabeled(choice, settings.data, settings.split, {
    ...settings,
    ...trainedColumns(open.metadata),
    onNote: context.onNote,
  });
  checkTexts(all, open, settings.data, settings);
  const hasPairs = arePairs(open, all.examples);
  refuseWithoutEffect(options, settings, { hasPairs });
  const { limit = all.examples.length } = settings;
  const examples = overrides
    ? examplesOfPrompts(all.examples as readonly LanguageExample[], limit)
    : all.examples.slice(0, limit);
  return namingBadWeights(
    () => weightsIn(open),
    async () => {
      // The labels are those of all rows, however few of them are evaluated.
      const labels = labelsForInference(choice, all, open.labels);
      const pairs = hasPairs ? (all.examples as readonly EmbeddingExample[]) : undefined;
      const corpus =
        pairs && (await searchCorpus(open, pairs, examples.length, { ...settings, signal: context.signal }));
      const evaluation = await evaluateExamples(open, choice, { examples, labels, corpus }, settings, context);
      const needsUnits = choice.task.isGenerative && settings.confidence !== undefined;
      const evaluations = [needsUnits ? byPrompts(evaluation, choice.task, examples) : evaluation];
      const texts = examples as readonly LanguageExample[];
      const { batchSize } = settings;
      if (overrides)
        evaluations.unshift(await evaluateTexts(open, texts, { batchSize, overrides, signal: context.signal }));
      return { evaluations, rows: examples.length };
    },
  );
}

interface EvaluatedRows extends Pick<Dataset, "examples">, Pick<EvaluationOptions, "corpus"> {
  readonly labels: LabelMap | undefined;
}

async function evaluateExamples(
  open: InferenceModel,
  choice: TaskChoice,
  { examples, labels, corpus }: EvaluatedRows,
  settings: EvaluateCall,
  context: CallContext,
): Promise<Evaluation> {
  const { signal, onNote } = context;
  const { task } = choice;
  const encoded = await encodeExamples(task, examples, open.tokenizer, {
    labels,
    maxLength: lengthFor(settings, open),
    trainOn: settings.trainOn ?? open.metadata?.trainOn,
    usesPrompts: true,
    model: open.model.config,
  });
  const used = usedRows(task, encoded, "evaluation", { onNote });
  const note = noteWithoutLoss(task, used, "evaluation");
  if (note !== undefined) onNote?.(note);
  const { batchSize } = settings;
  // Spelled as in the rows: the label of a word is compared by its name.
  const pass = { task, labels: labels?.names ?? open.labels, batchSize, signal };
  const rows = arrangedRows(task, used, batchSize);
  const [asked, known] = [settings.positiveLabel, knownPositive(open.labels, open.metadata)];
  return evaluateRows(open.model, await referenceRows(open, rows, pass, context), {
    ...pass,
    metrics: choice.metrics,
    positive: positiveOf(choice, labels, { asked, known }),
    corpus,
  });
}

/** The settings of the task's loss. */
function lossOf(settings: EvaluateCall): TaskSettings {
  const { loss, beta, labelSmoothing, gamma, nllWeight, desirableWeight, undesirableWeight, centerRewards } = settings;
  return { loss, beta, labelSmoothing, gamma, nllWeight, desirableWeight, undesirableWeight, centerRewards };
}

/** Measures rows with the same prompt as one row, because they are not independent. */
function byPrompts(evaluation: Evaluation, { join }: Task, examples: Dataset["examples"]): Evaluation {
  const { metric, measured } = evaluation;
  if (!join) return evaluation;
  const groups = examplesByPrompt(examples as readonly LanguageExample[]);
  const joined = groups.map((rows, i) =>
    metric.measure(undefined, join(rows.map((row) => measured[row] as object)), i + 1),
  );
  return { ...evaluation, measured: joined, units: "prompts" };
}

/**
 * The settings for generating texts to evaluate; undefined if none are generated.
 * @throws UsageError for a generation setting if no texts are evaluated
 */
function textOverrides(
  settings: EvaluateCall,
  { task, texts }: TaskChoice,
): Pick<EvaluateCall, "beams" | "lengthPenalty" | "noRepeatNgram" | "maxNewTokens"> | undefined {
  const hasTexts = settings.texts ?? texts;
  refuseWithoutEffect(options, settings, { hasTexts, isGenerative: task.isGenerative === true });
  const { beams, lengthPenalty, noRepeatNgram, maxNewTokens } = settings;
  return hasTexts ? { beams, lengthPenalty, noRepeatNgram, maxNewTokens } : undefined;
}

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
import { type ConfidenceInterval, confidenceIntervals, type RowChanges } from "../../../tasks/metrics/index.js";
import { rowChanges } from "../../../tasks/metrics/parts/index.js";
import {
  arrangedRows,
  type Evaluation,
  evaluateRows,
  evaluateTexts,
  notesOf,
  noteWithoutLoss,
  usedRows,
} from "../../../use/evaluation/index.js";
import {
  arePairs,
  type Baseline,
  baseHead,
  checkTexts,
  evaluatePredictions,
  findModel,
  type HeadRows,
  type InferenceModel,
  lengthFor,
  majorityOf,
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
  /** With an adapter, what its metrics are read against: the base model, or the same prediction for every row. */
  readonly baseline?: { readonly of: "base" | "majority"; readonly metrics: Metrics } | undefined;
  /** Of classification: how many rows were wrong before and are right now, and the reverse, with the 95 % interval of the difference of shares. */
  readonly changes?: RowChanges | undefined;
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
    const found: Evaluated =
      predictions === undefined
        ? await evaluateModel({ ...settings, data }, named, context)
        : await evaluatePredictions(
            { ...settings, data, predictions, dropUnlabeled: undefined, onNote: context.onNote },
            named,
          );
    const { notes, ...figures } = figuresOf(found, settings);
    for (const note of notes) context.onNote?.(note);
    const { rows, baseline, changes, evaluations } = found;
    const { positiveLabel } = evaluations.find((one) => one.positiveLabel !== undefined) ?? {};
    const ofClass = positiveLabel !== undefined && { positiveLabel };
    const beside = baseline && {
      baseline: { of: baseline.of, metrics: baseline.metrics },
      ...(changes && { changes }),
    };
    return { ...figures, ...ofClass, ...(notes.length > 0 && { notes }), rows, ...beside };
  },
  show: ({ metrics, intervals, positiveLabel, notes, baseline, changes, rows }) => ({
    value: {
      ...{ ...metrics, ...(positiveLabel !== undefined && { positiveLabel }) },
      ...{ ...(intervals && { intervals }), ...(notes && { notes }) },
      ...(baseline && { baseline: { of: baseline.of, ...baseline.metrics } }),
      ...(changes && { changes }),
    },
    text: [
      formatMetrics(metrics, { intervals, baseline, positiveLabel }),
      ...(changes ? [changesText(changes, baseline, rows)] : []),
    ].join("\n"),
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
  readonly baseline?: Baseline | undefined;
  readonly changes?: RowChanges | undefined;
}

/** What the changes say, in a sentence. */
function changesText(
  { fixed, broken, low, high }: RowChanges,
  baseline: EvaluateResult["baseline"],
  rows: number,
): string {
  const [difference, from, to] = [(fixed - broken) / rows, low, high].map((share) => signed(100 * share));
  return `Against ${baseline?.of}, ${fixed} of ${rows} rows went from wrong to right, ${broken} from right to wrong: ${difference} points of right rows (95 % interval ${from} to ${to}).`;
}

const signed = (points: number): string => `${points < 0 ? "−" : "+"}${Math.abs(points).toFixed(1)}`;

function figuresOf(
  { evaluations, baseline }: Evaluated,
  { confidence, seed }: Pick<EvaluateCall, "confidence" | "seed">,
): Pick<EvaluateResult, "metrics" | "intervals"> & { readonly notes: readonly string[] } {
  const metrics = metricsOf({ evaluations });
  const notes = [...evaluations.flatMap(notesOf), ...(baseline?.note ? [baseline.note] : [])];
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
  const open = await openForInference(found, { ...settings, settings: lossOf(settings), startsAsBase: true }, named);
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
  const { batchSize } = settings;
  const { signal } = context;
  const scored = async ({ names, rows, positive }: HeadRows): Promise<Scored> => {
    const pairs = hasPairs ? (all.examples as readonly EmbeddingExample[]) : undefined;
    const corpus = pairs && (await searchCorpus(open, pairs, examples.length, { ...settings, signal }));
    const { task, metrics } = choice;
    // Names are spelled as in the rows: the label of a word is compared by its name.
    const pass = { task, labels: names, batchSize, signal, metrics, positive, corpus };
    const [references, right]: [unknown[], boolean[]] = [[], []];
    const evaluation = await evaluateRows(open.model, rows, pass, ({ reference }, prediction) => {
      references.push(reference);
      right.push(task.mistake?.(prediction, reference, names) === undefined);
    });
    const needsUnits = task.isGenerative && settings.confidence !== undefined;
    const evaluations = [needsUnits ? byPrompts(evaluation, task, examples) : evaluation];
    const texts = examples as readonly LanguageExample[];
    if (overrides) evaluations.unshift(await evaluateTexts(open, texts, { batchSize, overrides, signal }));
    return { evaluations, references, right };
  };
  return namingBadWeights(
    () => weightsIn(open),
    async () => {
      const rowsFor = (labels: LabelMap | undefined, hooks: CallContext) =>
        encodedRows(open, examples, labels, settings, hooks);
      // The labels are those of all rows, however few of them are evaluated.
      const labels = labelsForInference(choice, all, open.labels);
      const names = labels?.names ?? open.labels;
      const [asked, known] = [settings.positiveLabel, knownPositive(open.labels, open.metadata)];
      const positive = positiveOf(choice, labels, { asked, known });
      const own = { labels, names, positive, rows: await rowsFor(labels, context) };
      const isCompared = open.adapter !== undefined && (settings.baseline ?? !overrides);
      const base = isCompared && (await baseHead(open, choice, all, own, (of) => rowsFor(of, { signal })));
      const couldHave = !isCompared && open.initialized.length === 0;
      const hasBaseline = Boolean(base || couldHave || choice.task.constantPrediction);
      refuseWithoutEffect(options, settings, { hasBaseline });
      const before = base && (await scored(base));
      open.attach();
      const { evaluations, references, right } = await scored(own);
      const baseline: Baseline | undefined = before
        ? { of: "base", metrics: metricsOf(before), right: before.right }
        : isCompared
          ? majorityOf(open, choice, own, references)
          : undefined;
      const changes = baseline && choice.task.mistake && rowChanges(baseline.right, right);
      return { evaluations, rows: examples.length, baseline, changes };
    },
  );
}

/** The metrics of a head, and of each row its reference and whether it is right. */
interface Scored extends Pick<Evaluated, "evaluations">, Pick<Baseline, "right"> {
  readonly references: readonly unknown[];
}

const metricsOf = ({ evaluations }: Pick<Evaluated, "evaluations">): Metrics =>
  Object.assign({}, ...evaluations.map(({ metrics }) => metrics));

/** The rows as a head takes them, with the base model's outputs where the task compares with it. */
async function encodedRows(
  open: InferenceModel,
  examples: Dataset["examples"],
  labels: LabelMap | undefined,
  settings: EvaluateCall,
  context: CallContext,
): Promise<HeadRows["rows"]> {
  const { task } = open;
  const encoded = await encodeExamples(task, examples, open.tokenizer, {
    labels,
    maxLength: lengthFor(settings, open),
    trainOn: settings.trainOn ?? open.metadata?.trainOn,
    usesPrompts: true,
    model: open.model.config,
  });
  const used = usedRows(task, encoded, "evaluation", context);
  const note = noteWithoutLoss(task, used, "evaluation");
  if (note !== undefined) context.onNote?.(note);
  const { batchSize } = settings;
  const pass = { task, labels: open.labels, batchSize, signal: context.signal };
  return referenceRows(open, arrangedRows(task, used, batchSize), pass, context);
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

import { UsageError } from "../common/errors.js";
import { type EvaluateSettings, evaluateOptions, flagOf, resolveSettings, type Settings } from "../config/index.js";
import { type Dataset, type LabelMap, type LanguageExample, rowsByPrompt, rowsOfPrompts } from "../data/index.js";
import {
  askedTask,
  positiveOf,
  readLabelled,
  type TaskChoice,
  taskOf,
  usedLabels,
  usualColumns,
} from "../datasets/index.js";
import type { Metrics } from "../files/metrics.js";
import { judgePredictions } from "../inference/judgePredictions.js";
import {
  checkHooks,
  checkTexts,
  type InferenceHooks,
  lengthFor,
  openForUse,
  refuseIdleParts,
} from "../inference/openForUse.js";
import type { OpenModel } from "../inference/openModel.js";
import { type ConfidenceInterval, confidenceIntervals } from "../metrics/index.js";
import { requireTextScores } from "../metrics/textMetrics.js";
import { encodeRows, type Task } from "../tasks/index.js";
import { namingBadWeights, weightsOf } from "../train/badWeights.js";
import { evaluateRows, type Judgement, notesOf } from "../train/evaluation.js";
import { evaluateTexts } from "../train/textEvaluation.js";
import { noteWithoutLoss } from "../train/withoutLoss.js";

/** What `evaluate` found. */
export interface EvaluateResult {
  readonly metrics: Metrics;
  /** Of each metric's value, with `confidence`; null where the rows say nothing of its spread. */
  readonly intervals?: Readonly<Record<string, ConfidenceInterval | null>>;
  /** What the metrics don't say by themselves, a sentence each; absent where there is nothing to add. */
  readonly notes?: readonly string[];
  /** Rows that were judged. */
  readonly rows: number;
}

type EvaluateCall = Settings<typeof evaluateOptions>;

/**
 * The task's metrics of a model, with its adapter if one is given, on labelled rows; with `predictions` those of a file, without
 * a model.
 * @throws UsageError for what is missing, BidoraError for what does not fit
 */
export async function evaluate(given: EvaluateSettings, hooks: InferenceHooks = {}): Promise<EvaluateResult> {
  checkHooks("evaluate", hooks, "signal", "hub", "task");
  const settings = resolveSettings(evaluateOptions, given);
  const { data, predictions } = settings;
  if (data === undefined)
    throw new UsageError("--data is missing: give a file with labelled rows, or a named data set's folder.");
  const named = askedTask(settings.task, hooks.task);
  refuseIdleParts(settings.given, named, data);
  refuseIdleSeed(settings.given);
  const found =
    predictions === undefined
      ? await judgeModel({ ...settings, data }, named, hooks)
      : await judgePredictions({ ...settings, data, predictions }, named);
  const { notes, ...figures } = figuresOf(found, settings);
  for (const note of notes) hooks.hub?.onNote?.(note);
  return { ...figures, ...(notes.length > 0 && { notes }), rows: found.rows };
}

/** How rows were judged, each kind of metric by itself. */
interface Judged {
  readonly judgements: readonly Judgement[];
  readonly rows: number;
}

function figuresOf(
  { judgements }: Judged,
  { confidence, seed }: Pick<EvaluateCall, "confidence" | "seed">,
): Pick<EvaluateResult, "metrics" | "intervals"> & { readonly notes: readonly string[] } {
  const metrics = Object.assign({}, ...judgements.map((judgement) => judgement.metrics));
  const notes = judgements.flatMap(notesOf);
  if (confidence === undefined) return { metrics, notes };
  const each = judgements.map(({ metric, measured, units }) =>
    confidenceIntervals(metric, measured, { confidence, seed }, units),
  );
  const intervals = Object.assign({}, ...each.map((found) => found.intervals));
  return { metrics, intervals, notes: [...notes, ...each.flatMap((found) => found.notes)] };
}

async function judgeModel(
  settings: EvaluateCall & { readonly data: string },
  named: TaskChoice | undefined,
  hooks: InferenceHooks,
): Promise<Judged> {
  const open = await openForUse(settings, named, hooks.hub);
  const choice = named ?? taskOf(open.kind);
  const overrides = textOverrides(settings, choice);
  if (overrides) requireTextScores();
  const all = await readLabelled(choice, settings.data, settings.split, {
    ...settings,
    ...usualColumns(open.metadata),
  });
  checkTexts(all, open, settings.data, settings);
  const { limit = all.examples.length } = settings;
  const examples = overrides
    ? rowsOfPrompts(all.examples as readonly LanguageExample[], limit)
    : all.examples.slice(0, limit);
  return namingBadWeights(
    () => ({ folder: open.folder, weights: weightsOf(open.model) }),
    async () => {
      // What the labels are is known from all rows, however few of them are judged.
      const labels = usedLabels(choice, all, open.labels);
      const judged = await judgeRows(open, choice, { examples, labels }, settings, hooks);
      const needsUnits = choice.task.isGenerative && settings.confidence !== undefined;
      const judgements = [needsUnits ? byPrompts(judged, choice.task, examples) : judged];
      const texts = examples as readonly LanguageExample[];
      const { batchSize } = settings;
      if (overrides)
        judgements.unshift(await evaluateTexts(open, texts, { batchSize, overrides, signal: hooks.signal }));
      return { judgements, rows: examples.length };
    },
  );
}

async function judgeRows(
  open: OpenModel,
  choice: TaskChoice,
  { examples, labels }: Pick<Dataset, "examples"> & { readonly labels: LabelMap | undefined },
  settings: EvaluateCall,
  { signal, hub }: InferenceHooks,
): Promise<Judgement> {
  const rows = await encodeRows(choice.task, examples, open.tokenizer, {
    labels,
    maxLength: lengthFor(settings, open),
    trainOn: settings.trainOn ?? open.metadata?.trainOn,
    model: open.model.config,
  });
  const note = choice.task.takesTrainOn ? noteWithoutLoss(choice.task, rows, "evaluation") : undefined;
  if (note !== undefined) hub?.onNote?.(note);
  return evaluateRows(open.model, rows, {
    task: choice.task,
    // As the rows spell them: a word's label is compared by its name.
    labels: labels?.names ?? open.labels,
    batchSize: settings.batchSize,
    metrics: choice.metrics,
    positive: positiveOf(choice, labels),
    signal,
  });
}

/** What was measured of rows with one prompt, as of one row: they are no independent ones. */
function byPrompts(judgement: Judgement, { join }: Task, examples: Dataset["examples"]): Judgement {
  const { metric, measured } = judgement;
  if (!join) return judgement;
  const groups = rowsByPrompt(examples as readonly LanguageExample[]);
  const joined = groups.map((rows, i) =>
    metric.measure(undefined, join(rows.map((row) => measured[row] as object)), i + 1),
  );
  return { ...judgement, measured: joined, units: "prompts" };
}

const TEXT_KEYS = ["beams", "lengthPenalty", "noRepeatNgram", "maxNewTokens"] as const;

/**
 * How texts are generated to be judged; undefined where none are.
 * @throws UsageError for a setting of texts where none are judged
 */
function textOverrides(
  settings: EvaluateCall,
  { task, texts, kind }: TaskChoice,
): Pick<EvaluateCall, (typeof TEXT_KEYS)[number]> | undefined {
  const { beams, lengthPenalty, noRepeatNgram, maxNewTokens, given } = settings;
  if (settings.texts && !task.isGenerative)
    throw new UsageError(`No effect here: --texts (acts only with causal-lm, not ${kind}); leave it out.`);
  if (settings.texts ?? texts) return { beams, lengthPenalty, noRepeatNgram, maxNewTokens };
  const idle = TEXT_KEYS.find((key) => key in given);
  if (idle === undefined) return undefined;
  throw new UsageError(
    `No effect here: ${flagOf(idle)} (acts only where texts are judged, with --texts); leave it out.`,
  );
}

/** @throws UsageError for a seed that nothing is drawn by */
function refuseIdleSeed(given: object): void {
  if (!("seed" in given) || "confidence" in given) return;
  throw new UsageError("No effect here: --seed (acts only with --confidence); leave it out.");
}

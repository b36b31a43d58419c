// The metrics by which the runs of a task are scored.
import { join } from "node:path";
import { BidoraError, didYouMean, own, UsageError } from "../../../base/index.js";
import {
  bareMetric,
  type ComparedMetric,
  metricName,
  metricRows,
  type PredictedRow,
  RUN_FILE,
  type ScoredRows,
} from "../../../base/records/index.js";
import { findAdapterMetadata } from "../../../models/adapters/index.js";
import { readRunFile } from "../../../tasks/config/index.js";
import { LabelMap } from "../../../tasks/data/index.js";
import { knownPositive, positiveOf, type TaskChoice, taskOf } from "../../../tasks/datasets/index.js";
import { configuredTask, declared, goalOf, NAMED_VALUES, type TaskSettings, textScorer } from "../../../tasks/index.js";
import type { Metric, PredictedTokens } from "../../../tasks/metrics/index.js";
import { atLeastOne, LOWER_IS_BETTER, type OverRows, overSums, tokenSums } from "../../../tasks/metrics/parts/index.js";
import type { CollectedRun } from "./collectRuns.js";

export interface Scoring {
  readonly main: ComparedMetric;
  readonly others: readonly ComparedMetric[];
  /** Whether the main metric is the mean of the losses that runs kept of each row. */
  readonly isMeanOfRows?: boolean;
  /** Measures each row and computes the metrics. */
  readonly metric: Metric<unknown, object>;
  /** The same of each run's folder, where it depends on the run, as rewards of preferences do on β. */
  readonly metricsOfRuns?: ReadonlyMap<string, Metric<unknown, object>> | undefined;
  /** The loss, if it is not the main metric, and the same of all runs. */
  readonly loss?: ComparedMetric | undefined;
  readonly split: ScoredRows["split"];
  /** The main metric on the validation rows, if the runs are scored on test rows and have both. */
  readonly beside: readonly ComparedMetric[];
}

type Scored = Pick<CollectedRun, "folder" | "metrics">;

/**
 * How the runs of one task are scored: with the task's metrics, on the test rows if there are any, else on the validation rows.
 * @param chosen the main metric, if it is not to be the task's own
 * @throws BidoraError `COMPARISON` if some runs have scores on test rows and others on validation rows only, or if the main metric is the
 *   loss and the runs have different ones; UsageError for a main metric that the runs do not have
 */
export function scoringOf(runs: readonly Scored[], chosen?: string): Scoring {
  const scorers = runs.map(({ folder }) => scorersOf(folder));
  const { isOfTexts, hasTokens, dependsOnRun, byRows } = scorers[0]!;
  const scorer = isOfTexts ? textScorer : byRows;
  const split = scoredSplit(runs, scorer.main);
  // The labels decide whether F1 is binary or macro-averaged, but the folder may not have them.
  const metrics = [scorer.metric, byRows.metric, NAMED_VALUES];
  const named = (name: string): ComparedMetric => {
    const kind = name === "loss" && hasTokens ? LOSS_KIND : declared(name, ...metrics)?.kind;
    return {
      name: metricName(name, split),
      goal: goalOf(name, ...metrics),
      ...(kind !== undefined && { kind }),
    };
  };
  const all = new Set(runs.flatMap(({ metrics }) => Object.keys(metrics)));
  const names = [...all].filter((name) => metricRows(name) === split).map(bareMetric);
  const hasLoss = byRows.main === "loss";
  if (chosen !== undefined) refuseUnknownMetric(chosen, withoutLoss(names, hasLoss));
  const bare = chosen ?? scorer.main;
  const main = named(bare);
  const losses = new Set(scorers.flatMap(({ loss }) => (loss ? [JSON.stringify(loss)] : [])));
  if (bare === "loss" && losses.size > 1)
    throw new BidoraError(
      "COMPARISON",
      `The runs were trained with different losses, ${[...losses].join(" and ")}, whose values can't be compared: name another metric with --main-metric.`,
    );
  const isOneLoss = losses.size <= 1;
  const metric = own(scorer.metric.values, bare) ? scorer.metric : byRows.metric;
  return {
    main,
    others: names.filter((name) => name !== bare && (name !== "loss" || !isOneLoss)).map(named),
    ...(bare !== "loss" && names.includes("loss") && isOneLoss && { loss: named("loss") }),
    isMeanOfRows: bare === "loss" && !hasTokens,
    metric: (bare === "loss" && hasTokens
      ? lossOf(byRows.metric as Metric<unknown, object, PredictedTokens>)
      : metric) as Scoring["metric"],
    ...(dependsOnRun && {
      metricsOfRuns: new Map(runs.map(({ folder }, i) => [folder, scorers[i]!.byRows.metric as Scoring["metric"]])),
    }),
    split,
    beside: split === "test" && all.has(bare) ? [{ ...main, name: bare }] : [],
  };
}

/** Only of language models the rows' losses are known, by which methods could be tested. */
const withoutLoss = (names: readonly string[], hasLoss: boolean): string[] =>
  names.filter((name) => hasLoss || name !== "loss");

/** @throws UsageError for a main metric that is not one of a task's */
export function refuseUnknownMetric(chosen: string, known: readonly string[]): void {
  if (known.includes(chosen)) return;
  throw new UsageError(`--main-metric takes one of ${known.join(", ")}; got ${chosen}.${didYouMean(chosen, known)}`);
}

/** The metrics that a task's runs will have, by their names. */
export function metricsOf(choice: TaskChoice, labels: readonly string[]): string[] {
  // Whether embeddings are of pairs with a score is known once the rows are read.
  const scorers = [true, false].map((isScored) => choice.task.scorer({ labels, metrics: choice.metrics, isScored }));
  const names = [...(choice.texts ? [textScorer] : []), ...scorers].flatMap(({ metric }) => Object.keys(metric.values));
  return [...new Set([...names, ...(scorers[0]!.main === "loss" ? ["loss"] : [])])];
}

/** The split that all runs of a task are scored on: scores on different rows can't be compared. */
function scoredSplit(runs: readonly Scored[], main: string): Scoring["split"] {
  const has = (name: string) => runs.filter(({ metrics }) => own(metrics, name) !== undefined);
  const [tested, validated] = [has(metricName(main, "test")), has(main)];
  if (validated.length === 0) return "test";
  if (tested.length === 0) return "validation";
  const untested = validated.find((run) => !tested.includes(run));
  if (untested === undefined) return "test";
  throw new BidoraError(
    "COMPARISON",
    `${tested[0]!.folder} was scored on test rows, ${untested.folder} on validation rows only, so their scores can't be compared: take one of them out of the comparison, or run it again.`,
  );
}

/** Only for language models the loss is a metric to compare by. */
const LOSS_KIND = "tokens";

/** The loss of a language model as a metric: the mean over tokens. */
const lossOf = ({ measure }: Metric<unknown, object, PredictedTokens>): Metric<unknown, object, PredictedTokens> =>
  overSums({ loss: LOWER_IS_BETTER }, measure, () => tokenSums((loss) => ({ loss })));

/** The mean loss over rows that have a loss and a weight. */
export const lossOfRows: OverRows<Pick<PredictedRow, "loss" | "weight">> = overSums(
  { loss: LOWER_IS_BETTER },
  (_reference, row: Required<Pick<PredictedRow, "loss" | "weight">>) => row,
  () => ({
    width: 2,
    add({ loss, weight }, sums) {
      sums[0]! += loss;
      sums[1]! += weight;
    },
    result: ([loss, weight]) => ({ loss: loss! / atLeastOne(weight!) }),
  }),
);

/** The metric on the rows that a run held out: the chosen main metric, or the task's where that is of texts, since none are generated for them. */
export function watchedMetric(folder: string, chosen?: string): ComparedMetric {
  const { main, metric } = scorersOf(folder).byRows;
  const name = chosen !== undefined && own(metric.values, chosen) ? chosen : main;
  return { name, goal: goalOf(name, metric) };
}

function scorersOf(folder: string) {
  const { task } = readRunFile(join(folder, RUN_FILE));
  const metadata = findAdapterMetadata(folder);
  const choice = taskOf(task ?? metadata?.task ?? "");
  const { loss, labels = [] } = metadata ?? {};
  const source = { folder, width: 0, settings: (loss ?? {}) as TaskSettings };
  const dependsOnRun = choice.kind === "preference";
  const { task: trained } = dependsOnRun ? configuredTask(choice, source) : choice;
  return {
    isOfTexts: choice.texts,
    hasTokens: choice.task.takesTrainOn === true,
    loss,
    dependsOnRun,
    byRows: trained.scorer({
      labels,
      positive: positiveOf(choice, new LabelMap(labels), { known: knownPositive(labels, metadata) }),
      metrics: choice.metrics,
      isScored: metadata?.isScored,
    }),
  };
}

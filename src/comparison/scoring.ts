import { join } from "node:path";
import { findAdapterMetadata } from "../adapters/index.js";
import { own } from "../common/collections.js";
import { BidoraError } from "../common/errors.js";
import { readRunFile } from "../config/index.js";
import { taskOf } from "../datasets/index.js";
import type { ComparedMetric, ScoredRows } from "../files/comparison.js";
import { bareMetric, metricName, metricRows } from "../files/metrics.js";
import { RUN_FILE } from "../files/names.js";
import type { Metric, PredictedTokens } from "../metrics/index.js";
import { LESS_IS_BETTER } from "../metrics/metric.js";
import { overSums } from "../metrics/sums.js";
import { tokenSums } from "../metrics/tokenPrediction.js";
import { goalOf, NAMED_VALUES, textScorer } from "../tasks/index.js";
import type { CollectedRun } from "./collectRuns.js";

/** How the rows of a task's runs are judged. */
export interface Scoring {
  readonly main: ComparedMetric;
  readonly others: readonly ComparedMetric[];
  /** What its metrics are computed from, row by row. */
  readonly metric: Metric<unknown, object>;
  /** The rows that the runs are judged by. */
  readonly split: ScoredRows["split"];
  /** The main metric of the validation rows, where the runs are judged by their test rows and have both. */
  readonly beside: readonly ComparedMetric[];
}

/** What a run is judged by. */
type Scored = Pick<CollectedRun, "folder" | "metrics">;

/**
 * How the rows of one task's runs are judged: by the task, on the test rows where they are there, else on the validation rows.
 * @throws BidoraError `COMPARISON` where some runs have scores of test rows and others of validation rows alone
 */
export function scoringOf(runs: readonly [Scored, ...Scored[]]): Scoring {
  const { isOfTexts, byRows } = scorersOf(runs[0].folder);
  const scorer = isOfTexts ? textScorer : byRows;
  const split = judgedRowsOf(runs, scorer.main);
  const named = (name: string): ComparedMetric => ({
    name: metricName(name, split),
    // Whether F1 is of one label or of all goes by the labels, of which the folder may say nothing.
    goal: goalOf(name, scorer.metric, byRows.metric, NAMED_VALUES),
  });
  const all = new Set(runs.flatMap(({ metrics }) => Object.keys(metrics)));
  const names = [...all].filter((name) => metricRows(name) === split).map(bareMetric);
  const main = named(scorer.main);
  return {
    main,
    others: names.filter((name) => name !== scorer.main && name !== "loss").map(named),
    metric: (scorer.main === "loss"
      ? lossOf(byRows.metric as Metric<unknown, object, PredictedTokens>)
      : scorer.metric) as Scoring["metric"],
    split,
    beside: split === "test" && all.has(scorer.main) ? [{ ...main, name: scorer.main }] : [],
  };
}

/** The rows that all runs of a task are judged by: a score of some rows can't be compared with one of others. */
function judgedRowsOf(runs: readonly Scored[], main: string): Scoring["split"] {
  const has = (name: string) => runs.filter(({ metrics }) => own(metrics, name) !== undefined);
  const [tested, validated] = [has(metricName(main, "test")), has(main)];
  if (validated.length === 0) return "test";
  if (tested.length === 0) return "validation";
  const untested = validated.find((run) => !tested.includes(run));
  if (untested === undefined) return "test";
  throw new BidoraError(
    "COMPARISON",
    `${(tested[0] as Scored).folder} was judged by test rows, ${untested.folder} by validation rows alone, so that their scores can't be compared: take one of them out of the comparison, or run it again.`,
  );
}

/** The loss of language models, which their evaluation adds to their metrics: the mean over tokens. */
const lossOf = ({ measure }: Metric<unknown, object, PredictedTokens>): Metric<unknown, object, PredictedTokens> =>
  overSums({ loss: LESS_IS_BETTER }, measure, () => tokenSums((loss) => ({ loss })));

/** What the rows that a run held out are judged by: no texts are written for them. */
export function watchedMetric(folder: string): ComparedMetric {
  const { main, metric } = scorersOf(folder).byRows;
  return { name: main, goal: goalOf(main, metric) };
}

function scorersOf(folder: string) {
  const { task } = readRunFile(join(folder, RUN_FILE));
  const metadata = findAdapterMetadata(folder);
  const choice = taskOf(task ?? metadata?.task ?? "");
  return {
    isOfTexts: choice.texts,
    byRows: choice.task.scorer({ labels: metadata?.labels ?? [], metrics: choice.metrics }),
  };
}

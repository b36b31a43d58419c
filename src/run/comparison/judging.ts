import { join } from "node:path";
import { sum } from "d3-array";
import { sideFactsOf } from "../../adapters/index.js";
import { own } from "../../common/own.js";
import type { ComparedMetric } from "../../compare/comparison.js";
import { readRunFile } from "../../config/index.js";
import { RUN_FILE } from "../../folders/runFiles.js";
import type { Foretold, Metric } from "../../metrics/index.js";
import { goalOf, taskOf, textScorer } from "../../tasks/index.js";
import type { CollectedRun } from "./collect.js";

/** How a run's rows are judged. */
export interface Judging {
  readonly main: ComparedMetric;
  readonly others: readonly ComparedMetric[];
  /** Of what its metrics are made, row by row; `prefix` stands before their names. */
  readonly metric: Metric<unknown, object>;
  readonly prefix: string;
}

/** How the rows of a run are judged: by its task, on its validation rows or, where it had none, its test rows. */
export function judgingOf({ folder, metrics }: Pick<CollectedRun, "folder" | "metrics">): Judging {
  const { isOfTexts, byRows } = scorersOf(folder);
  const scorer = isOfTexts ? textScorer : byRows;
  const prefix = own(metrics, scorer.main) === undefined ? "test_" : "";
  const compared = (name: string): ComparedMetric => ({ name: `${prefix}${name}`, goal: goalOf(name) });
  const isOwn = (name: string) => (prefix === "" ? !/^(test|holdout)_/.test(name) : name.startsWith(prefix));
  const names = Object.keys(metrics)
    .filter(isOwn)
    .map((name) => name.slice(prefix.length));
  return {
    main: { ...compared(scorer.main), goal: scorer.goal },
    others: names.filter((name) => name !== scorer.main && name !== "loss").map(compared),
    metric: (scorer.main === "loss"
      ? withLoss(byRows.metric as Metric<unknown, object, Foretold>)
      : scorer.metric) as Judging["metric"],
    prefix,
  };
}

/** Of language models it is the evaluation that adds the loss to their metrics: the mean over tokens. */
function withLoss<Reference, Prediction>(
  metric: Metric<Reference, Prediction, Foretold>,
): Metric<Reference, Prediction, Foretold> {
  return {
    measure: metric.measure,
    result: (rows, corpus) => ({
      ...metric.result(rows, corpus),
      loss: sum(rows, ({ loss }) => loss) / sum(rows, ({ tokens }) => tokens),
    }),
  };
}

/** What the rows that a run held out are judged by: no texts are written for them. */
export function watchedOf(folder: string): ComparedMetric {
  const { main, goal } = scorersOf(folder).byRows;
  return { name: main, goal };
}

function scorersOf(folder: string) {
  const { task } = readRunFile(join(folder, RUN_FILE));
  const side = sideFactsOf(folder);
  const choice = taskOf(task ?? side?.task ?? "");
  return {
    isOfTexts: choice.texts,
    byRows: choice.task.scorer({ labels: side?.labels ?? [], metrics: choice.metrics }),
  };
}

// The scores that a method has to be read against: those of a constant, and of the model before it was trained.
import { group } from "d3-array";
import { formatNumber } from "../../base/index.js";
import {
  BASELINES,
  type BaselineScore,
  type ComparedRun,
  type ComparedTask,
  type Comparison,
  type Metrics,
} from "../../base/records/index.js";
import { metricHeading } from "./checkComparison.js";
import { mean, round12 } from "./summary.js";

type Recorded = Pick<ComparedRun, "task"> & {
  readonly baselines?: Readonly<Partial<Record<BaselineScore["baseline"], Metrics>>>;
};

/** The means over the runs of each task that recorded a baseline. Runs whose training rows or initial values differ have different ones. */
export function baselinesOf(runs: readonly Recorded[]): BaselineScore[] {
  const found = runs.flatMap(({ task, baselines = {} }) =>
    BASELINES.flatMap((baseline) =>
      Object.entries(baselines[baseline] ?? {}).map(([metric, value]) => ({ task, baseline, metric, value })),
    ),
  );
  const alike = group(found, ({ task, baseline, metric }) => JSON.stringify([task, baseline, metric]));
  return [...alike.values()].map((each) => ({ ...each[0]!, value: mean(each.map(({ value }) => value)) }));
}

/** The baselines that have a score which the tables show, in order. */
export function shownBaselines({ tasks, baselines = [] }: Comparison): BaselineScore["baseline"][] {
  const isShown = ({ task, metric }: BaselineScore) =>
    tasks.some(({ name, metrics, beside }) =>
      [...metrics, ...(beside?.metrics ?? [])].some((one) => name === task && one.name === metric),
    );
  return BASELINES.filter((name) => baselines.some((score) => score.baseline === name && isShown(score)));
}

const MEANINGS: Readonly<Record<BaselineScore["baseline"], string>> = {
  majority: "majority predicts the same for every row, by the labels of the training rows",
  start: "start is the model before the first step",
};

/** Which methods are no better than a constant, and what the baselines are. */
export function baselineNotes(comparison: Comparison): string[] {
  const shown = shownBaselines(comparison);
  if (shown.length === 0) return [];
  const what = `Baselines, which are not tested: ${shown.map((name) => MEANINGS[name]).join("; ")}.`;
  return [...comparison.tasks.flatMap((task) => noBetterNote(comparison, task)), what];
}

function noBetterNote({ methods, runs, baselines = [] }: Comparison, task: ComparedTask): string[] {
  const { name, rows, metrics } = task;
  const [main] = metrics;
  const isMajority = (one: BaselineScore) =>
    one.task === name && one.baseline === "majority" && one.metric === main.name;
  const constant = baselines.find(isMajority)?.value;
  if (constant === undefined) return [];
  const sign = main.goal === "minimize" ? -1 : 1;
  const isNoBetter = (method: string) => {
    const own = runs.filter((run) => run.task === name && run.method === method);
    const scores = own.flatMap(({ metrics: found }) => found[main.name] ?? []);
    return scores.length > 0 && round12(sign * mean(scores)) <= round12(sign * constant);
  };
  const beaten = methods.filter(isNoBetter);
  if (beaten.length === 0) return [];
  const score = `${metricHeading(main, rows)} ${formatNumber(constant)}`;
  return [`On ${name}, ${beaten.join(", ")} ${beaten.length > 1 ? "are" : "is"} no better than majority (${score}).`];
}

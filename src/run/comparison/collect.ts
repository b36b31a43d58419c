import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";
import { sum } from "d3-array";
import { sideFactsOf } from "../../adapters/index.js";
import { BidoraError } from "../../common/errors.js";
import { own } from "../../common/own.js";
import type { ComparedMetric, ComparedRun, ComparedTask, Comparison } from "../../compare/comparison.js";
import type { ScoreReached } from "../../compare/costColumns.js";
import { costToReach, type EvaluationPoint } from "../../compare/costToReach.js";
import { readRunFile } from "../../config/index.js";
import { EVENTS, RUN_FILE } from "../../folders/runFiles.js";
import { isFinished, readMetrics } from "../../folders/runFolder.js";
import type { Foretold, Metric } from "../../metrics/index.js";
import { secondsOfEarlierSessions } from "../../report/sessions.js";
import { goalOf, taskOf, textScorer } from "../../tasks/index.js";
import type { Metrics, RunEvent } from "../../train/events.js";

/** A finished run of a comparison. */
export interface CollectedRun extends ComparedRun {
  readonly folder: string;
  /** Optimiser steps over all phases, and rows passed through in them. */
  readonly steps: number;
  readonly rows: number;
  readonly evaluations: readonly (Metrics & { readonly step: number; readonly seconds: number })[];
}

/** How a run's rows are judged. */
export interface Judging {
  readonly main: ComparedMetric;
  readonly others: readonly ComparedMetric[];
  /** Of what its metrics are made, row by row; `prefix` stands before their names. */
  readonly metric: Metric<unknown, object>;
  readonly prefix: string;
}

const SEED = /^seed-(\d+)$/;

/** Every finished run in a comparison's folder. */
export async function collectRuns(output: string): Promise<CollectedRun[]> {
  const { readRunLog } = await import("../../report/index.js");
  const found: CollectedRun[] = [];
  for (const run of placesIn(output)) {
    if (!isFinished(run.folder)) continue;
    const { events } = await readRunLog(join(run.folder, EVENTS));
    found.push({ ...run, metrics: readMetrics(run.folder), ...spentIn(events, run.folder) });
  }
  return found;
}

/** The folders of runs that count in a comparison's folder, begun or not: TASK/METHOD/seed-N. */
export function placesIn(output: string): Pick<CollectedRun, "task" | "method" | "seed" | "folder">[] {
  return foldersIn(output).flatMap((task) =>
    foldersIn(join(output, task)).flatMap((method) =>
      foldersIn(join(output, task, method)).flatMap((name) => {
        const seed = SEED.exec(name)?.[1];
        return seed === undefined ? [] : { task, method, seed: Number(seed), folder: join(output, task, method, name) };
      }),
    ),
  );
}

function foldersIn(folder: string): string[] {
  if (!existsSync(folder)) return [];
  const entries = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return entries.map(({ name }) => name).sort();
}

type Spent = Omit<CollectedRun, "task" | "method" | "seed" | "folder" | "metrics">;

/**
 * What a run's events say of its cost, over all its sessions.
 * @throws BidoraError `COMPARISON` where its beginning or its end is gone, which tell it
 */
function spentIn(events: readonly RunEvent[], folder: string): Spent {
  const start = events.find((event) => event.event === "start");
  const done = events.findLast((event) => event.event === "done");
  if (!start || !done)
    throw new BidoraError(
      "COMPARISON",
      `${join(folder, EVENTS)} has lost the ${start ? "end" : "beginning"} of its run, and with it what the run took: remove ${folder}, and do the run anew.`,
    );
  const steps = events.filter((event) => event.event === "step");
  const before = secondsOfEarlierSessions(events);
  let seconds = 0;
  const evaluations: Spent["evaluations"][number][] = [];
  for (const event of events) {
    if (event.event === "step") seconds += event.seconds;
    if (event.event === "evaluation") evaluations.push({ ...event.metrics, step: event.step, seconds });
  }
  return {
    trainedParameters: start.parameters.trained,
    seconds: before + done.seconds,
    peakMemoryBytes: done.peakMemoryBytes,
    steps: steps.length,
    rows: steps.reduce((sum, step) => sum + step.rows, 0),
    evaluations,
  };
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

/** What a comparison was asked for, as far as what is made of its runs goes. */
export interface AskedFor {
  /** Names, in the order of rows and columns. */
  readonly tasks: readonly string[];
  readonly methods: readonly string[];
  /** A score to be reached. */
  readonly reach: number | undefined;
}

/** Runs as a comparison, with what they had spent when they first had a score that was named. */
export function gathered(
  runs: readonly CollectedRun[],
  asked: AskedFor,
): Comparison & { readonly reached: readonly ScoreReached[] } {
  const tasks = tasksOf(runs, asked.tasks);
  const used = runs.map(({ method }) => method);
  const { reach } = asked;
  const reached = reach === undefined ? [] : tasks.map((task) => reachedIn(runs, task, reach));
  return { tasks, methods: inOrder(used, asked.methods), runs, reached };
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

/** The tasks of runs, each with its metrics. @param order names in the order in which they were asked for */
function tasksOf(runs: readonly CollectedRun[], order: readonly string[]): ComparedTask[] {
  return inOrder(
    runs.map(({ task }) => task),
    order,
  ).map((name) => {
    const { main, others } = judgingOf(runs.find(({ task }) => task === name) as CollectedRun);
    return { name, metrics: [main, ...others] };
  });
}

/** Names that are there, those of the order first. */
function inOrder(names: readonly string[], order: readonly string[]): string[] {
  const there = new Set(names);
  return [...order.filter((name) => there.has(name)), ...[...there].filter((name) => !order.includes(name)).sort()];
}

/**
 * What runs had spent when they first had a score of their task's main metric. Runs that looked at rows which they held out are
 * left out: those say nothing of the validation rows.
 */
function reachedIn(
  runs: readonly CollectedRun[],
  { name, metrics: [main] }: ComparedTask,
  target: number,
): ScoreReached {
  const looked = runs.filter(({ task, metrics }) => task === name && !Object.keys(metrics).some(isHeldOut));
  return {
    task: name,
    target,
    runs: looked.map(({ method, seed, evaluations }) => {
      const points = evaluations.flatMap(({ step, seconds, ...values }): EvaluationPoint[] => {
        const value = own(values, main.name);
        return value === undefined ? [] : [{ step, seconds, value }];
      });
      return { method, seed, cost: costToReach(points, target, main.goal) };
    }),
  };
}

const isHeldOut = (name: string): boolean => name.startsWith("holdout_");

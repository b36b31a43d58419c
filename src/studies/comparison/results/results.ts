// The runs as a comparison, and its files.
import { join } from "node:path";
import { group } from "d3-array";
import { type CallContext, own } from "../../../base/index.js";
import {
  type BaselineScore,
  type ComparedTask,
  type Comparison,
  type ComparisonFile,
  type MissingRuns,
  metricRows,
  REPORT,
  type RowTest,
  type RunId,
  type ScoredRows,
  type ScoreReached,
  TABLES,
  writeComparisonFile,
  writeFileAtomic,
} from "../../../base/records/index.js";
import { writeReport } from "../../report/writeReport.js";
import { averagesOf } from "../../statistics/averages.js";
import { baselinesOf } from "../../statistics/baselines.js";
import { methodsWithoutFailure } from "../../statistics/competing.js";
import type { Uncorrected } from "../../statistics/holm.js";
import { testedPairs } from "../../statistics/pairedScores.js";
import { significance } from "../../statistics/significance.js";
import { summary } from "../../statistics/summary.js";
import { comparisonTables } from "../../tables/comparisonTables.js";
import { costToReach, type EvaluationPoint } from "../../tables/costColumns.js";
import { curveTables } from "../../tables/curveTables.js";
import { besideHeadline, headline } from "../../tables/headline.js";
import { escapeMarkdown, latexTable, markdownTable, type ResultTable } from "../../tables/renderTable.js";
import { significanceTable } from "../../tables/significanceTable.js";
import { terminalSummary, terminalTable, wrapped } from "../../tables/terminalTable.js";
import { varianceTable } from "../../tables/varianceTable.js";
import { refuseMixed } from "../plan/plan.js";
import type { RequestedResults } from "../spec/spec.js";
import { variantNamed } from "../spec/variants.js";
import type { CollectedRun } from "./collectRuns.js";
import { competitorsOf } from "./competitors.js";
import { curveRuns, curvesOf } from "./curveRuns.js";
import { frozenIn } from "./departures.js";
import { triedPoints } from "./gridSearch.js";
import { readPredictedRuns } from "./predictedRuns.js";
import { rowGroupsOf } from "./rowGroups.js";
import { corrected, rowTests } from "./rowTests.js";
import { scoringOf } from "./scoring.js";
import { varianceOf } from "./variance.js";

/** The result of a comparison. */
export interface ComparisonResult {
  readonly kind: "compared";
  readonly result: ComparisonFile;
  /** What it shows, in a sentence, and its tables for the terminal: with `verbose` all of them. */
  readonly text: string;
  readonly output: string;
}

interface WriteOptions extends RequestedResults, CallContext {
  readonly verbose?: boolean;
  readonly conditions: object;
}

/** Summarizes runs, and writes JSON, Markdown, LaTeX and the report. @returns the result, and what is printed of it */
export async function writeComparison(
  output: string,
  runs: readonly CollectedRun[],
  missing: MissingRuns,
  options: WriteOptions,
): Promise<{ readonly result: ComparisonFile; readonly text: string }> {
  refuseMixed(runs);
  const summarized = summarizeRuns(runs, options, missing);
  const { tasks, methods, competitors, reached, rowGroups, pairs, baselines } = summarized;
  const [tuning, curve] = [await triedPoints(output, options.mainMetrics), await curveRuns(output)];
  const ofCurve = curve.length > 0 && { curve, curves: curvesOf(curve, tasks, methods) };
  const found = { ...summarized, tuning, ...ofCurve };
  const frozen = frozenIn(output, { ...found, runs }, options.margin);
  const variance = await varianceOf(tasks, methods, runs, options.mainMetrics);
  const comparison = { ...found, ...(frozen && { frozen }), variance };
  const ofRows = await allRowTests(comparison, runs, options);
  const isOverRows = ({ test }: RowTest) => test === "bootstrap";
  const tests = [
    ...ofRows.filter((one) => !isOverRows(one)),
    ...significance(comparison),
    ...ofRows.filter(isOverRows),
  ];
  const sentence = headline(comparison, tests);
  const scores = comparisonTables(comparison, reached);
  const tables = [
    ...scores,
    ...(tests.length > 0 ? [significanceTable(tests)] : []),
    ...varianceTable(comparison),
    ...curveTables(comparison),
  ];
  const result: ComparisonFile = {
    runs: runs.map(({ folder: _f, evaluations: _e, scored: _s, start: _start, baselines: _b, ...run }) => run),
    summary: summary(runs),
    averages: averagesOf(comparison),
    tests,
    ...missing,
    tuning,
    ...ofCurve,
    baselines,
    ...(variance.length > 0 && { variance }),
    notes: tables.flatMap(({ notes }) => notes),
    tasks,
    methods,
    ...(competitors && { competitors }),
    ...(pairs && { pairs }),
    ...(rowGroups && { rowGroups }),
    ...(frozen && { frozen }),
    reached,
    conditions: { ...options.conditions, ...seedsOf(runs) },
  };
  writeComparisonFile(output, result);
  writeFileAtomic(join(output, TABLES.markdown), `${escapeMarkdown(sentence)}\n\n${joined(tables, markdownTable)}`);
  writeFileAtomic(join(output, TABLES.latex), joined(tables, latexTable));
  await writeReport(join(output, REPORT), [output]);
  const notes = [...besideHeadline(comparison, tests), ...scores[0]!.notes];
  const text = options.verbose
    ? [wrapped(sentence), ...tables.map(terminalTable)].join("\n\n")
    : terminalSummary(sentence, scores.slice(-tasks.length), notes);
  return { result, text: `${text}\n` };
}

/** The seeds of all summarized runs, including those of earlier calls. */
function seedsOf(runs: readonly CollectedRun[]): { readonly seeds: number[]; readonly dataSeeds?: number[] } {
  const sorted = (seeds: readonly number[]) => [...new Set(seeds)].sort((a, b) => a - b);
  const dataSeeds = sorted(runs.flatMap(({ dataSeed }) => dataSeed ?? []));
  return { seeds: sorted(runs.map(({ seed }) => seed)), ...(dataSeeds.length > 0 && { dataSeeds }) };
}

const joined = (tables: readonly ResultTable[], render: (table: ResultTable) => string): string =>
  `${tables.map(render).join("\n\n")}\n`;

async function allRowTests(
  { tasks, methods: all, pairs, ...found }: Comparison,
  runs: readonly CollectedRun[],
  { margin, mainMetrics = {}, onNote }: WriteOptions,
): Promise<RowTest[]> {
  const tests: Uncorrected<RowTest>[] = [];
  // the main metric and the loss
  const family = 2 * tasks.length * testedPairs(all, pairs).length;
  for (const { name } of tasks) {
    const methods = methodsWithoutFailure({ methods: all, ...found }, new Set([name]));
    const ofTask = runs.filter(({ task }) => task === name);
    const scoring = scoringOf(ofTask, own(mainMetrics, name));
    const predicted = await readPredictedRuns(ofTask, scoring);
    tests.push(...rowTests(name, methods, predicted, scoring, { margin, tested: pairs, family, onNote }));
  }
  return corrected(tests);
}

/** Runs as a comparison, with those that have no results, and the cost at which each first reached the requested score. */
export function summarizeRuns(
  runs: readonly CollectedRun[],
  asked: RequestedResults,
  missing: MissingRuns = { failed: [], unfinished: [] },
): Comparison &
  MissingRuns & { readonly reached: readonly ScoreReached[]; readonly baselines: readonly BaselineScore[] } {
  const tasks = tasksOf(runs, asked);
  const used = [...runs, ...missing.failed, ...missing.unfinished].map(({ method }) => method);
  const { reach } = asked;
  const reached = reach === undefined ? [] : tasks.map((task) => reachedIn(runs, missing, task, reach, asked.defined));
  const rowGroups = rowGroupsOf(tasks, runs);
  const groups = { ...(rowGroups.length > 0 && { rowGroups }), ...(asked.pairs && { pairs: asked.pairs }) };
  const methods = inOrder(used, asked.methods);
  const baselines = baselinesOf(runs);
  return { tasks, methods, competitors: competitorsOf(methods, runs), runs, ...missing, ...groups, reached, baselines };
}

function tasksOf(
  runs: readonly CollectedRun[],
  { tasks, titles = {}, mainMetrics = {} }: RequestedResults,
): ComparedTask[] {
  const byTask = group(runs, ({ task }) => task);
  return inOrder([...byTask.keys()], tasks).map((name) => {
    const title = own(titles, name);
    return { ...taskOf(name, byTask.get(name)!, own(mainMetrics, name)), ...(title !== undefined && { title }) };
  });
}

/** A task with its metrics, and the rows that they were measured on. */
function taskOf(name: string, runs: readonly CollectedRun[], mainMetric: string | undefined): ComparedTask {
  const { main, others, split, beside } = scoringOf(runs, mainMetric);
  const rowsOf = (split: ScoredRows["split"]): ScoredRows => {
    const count = runs.find(({ scored }) => scored[split] !== undefined)?.scored[split];
    return { split, ...(count !== undefined && { count }) };
  };
  const rows = rowsOf(split);
  const hasValidation = rows.split === "validation" || beside.length > 0;
  const chosen = hasValidation ? runs.filter(({ scored }) => scored.stopsByValidation) : [];
  return {
    name,
    metrics: [main, ...others],
    rows,
    ...(beside.length > 0 && { beside: { rows: rowsOf("validation"), metrics: beside } }),
    ...(chosen.length > 0 && { chosenByRows: [...new Set(chosen.map(({ method }) => method))] }),
  };
}

/** The names, those in `order` first, without duplicates. */
function inOrder(names: readonly string[], order: readonly string[]): string[] {
  const there = new Set(names);
  return [...order.filter((name) => there.has(name)), ...[...there].filter((name) => !order.includes(name)).sort()];
}

const placeOf = ({ method, seed, dataSeed }: RunId): Omit<RunId, "task"> => ({
  ...{ method, seed },
  ...(dataSeed !== undefined && { dataSeed }),
});

/**
 * The cost at which runs first reached a score of their task's main metric: on validation rows, which are evaluated during training, and
 * on test rows only if there are no others. Runs that evaluated held-out rows are left out, since these say nothing about the validation
 * rows. A failed run did not reach the score, whatever it had before: it left no model with it.
 */
function reachedIn(
  runs: readonly CollectedRun[],
  { failed }: MissingRuns,
  { name, metrics: [reported], beside }: ComparedTask,
  target: number,
  defined: RequestedResults["defined"],
): ScoreReached {
  const main = beside?.metrics[0] ?? reported;
  const split = metricRows(main.name) === "test" ? "test" : "validation";
  const ofTask = runs.filter(({ task }) => task === name);
  const looked = ofTask.filter(({ metrics }) => !Object.keys(metrics).some((name) => metricRows(name) === "holdout"));
  const holdsOut = (method: string) =>
    ofTask.some((run) => run.method === method && !looked.includes(run)) ||
    variantNamed(method, defined)?.stopsEarly === true;
  const lost = failed.filter(({ task, method }) => task === name && !holdsOut(method));
  const costOf = ({ evaluations, ...run }: CollectedRun) => {
    const points = evaluations.flatMap(({ step, seconds, ...values }): EvaluationPoint[] => {
      const value = own(values, main.name);
      return value === undefined ? [] : [{ step, seconds, value }];
    });
    return { ...placeOf(run), cost: costToReach(points, target, main.goal) };
  };
  const unreached = lost.map((run) => ({ ...placeOf(run), cost: null }));
  return { task: name, target, split, runs: [...looked.map(costOf), ...unreached] };
}

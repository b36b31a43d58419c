import { join } from "node:path";
import type { ComparedTask, Comparison, FailedRun, MissingRuns, UnfinishedRun } from "../../compare/comparison.js";
import { comparisonTables } from "../../compare/comparisonTables.js";
import type { ScoreReached } from "../../compare/costColumns.js";
import { latexTable } from "../../compare/latexTable.js";
import { markdownTable } from "../../compare/markdownTable.js";
import { methodsWithoutFailure } from "../../compare/missingRuns.js";
import { significance } from "../../compare/significance.js";
import { significanceTable } from "../../compare/significanceTable.js";
import type { SignificanceTest } from "../../compare/significanceTest.js";
import { type SummaryEntry, summary } from "../../compare/summary.js";
import type { Table } from "../../compare/table.js";
import { terminalTable } from "../../compare/terminalTable.js";
import { COMPARISON, REPORT } from "../../folders/runFiles.js";
import { writeFileAtomic } from "../../io/atomic.js";
import { writeReport } from "../writeReport.js";
import type { CollectedRun } from "./collect.js";
import { type AskedFor, gathered } from "./gathered.js";
import { judgedRuns } from "./judgedRuns.js";
import { judgingOf } from "./judging.js";
import { rowTests } from "./rowTests.js";

/** What `comparison.json` holds. */
export interface ComparisonResult {
  readonly runs: readonly object[];
  readonly summary: readonly SummaryEntry[];
  readonly tests: readonly SignificanceTest[];
  /** Runs without results: those that failed, with the reason, and those that go on, were stopped or have not begun. */
  readonly failed: readonly FailedRun[];
  readonly unfinished: readonly UnfinishedRun[];
  /** In the order in which they are shown, with what is shown of each. */
  readonly tasks: readonly ComparedTask[];
  readonly methods: readonly string[];
  /** What was spent until a score was reached, where one was named. */
  readonly reached: readonly ScoreReached[];
  /** Under which conditions, for whoever reads the figures. */
  readonly conditions: object;
}

export interface WriteOptions extends AskedFor {
  readonly conditions: object;
  /** Told what people should know while it goes on. */
  readonly note?: ((line: string) => void) | undefined;
}

/** Sums up runs, and writes what they say: JSON, Markdown, LaTeX and the report. @returns the result, and its tables for the terminal */
export async function writeComparison(
  output: string,
  runs: readonly CollectedRun[],
  missing: MissingRuns,
  options: WriteOptions,
): Promise<{ readonly result: ComparisonResult; readonly text: string }> {
  const comparison = gathered(runs, options, missing);
  const { tasks, methods, reached } = comparison;
  const tests = [...significance(comparison), ...(await allRowTests(comparison, runs, options.note))];
  const tables = [...comparisonTables(comparison, reached), ...(tests.length > 0 ? [significanceTable(tests)] : [])];
  const result: ComparisonResult = {
    runs: runs.map(({ folder: _folder, evaluations: _evaluations, scored: _scored, ...run }) => run),
    summary: summary(runs),
    tests,
    ...missing,
    tasks,
    methods,
    reached,
    conditions: { ...options.conditions, seeds: seedsOf(runs) },
  };
  writeFileAtomic(join(output, COMPARISON), `${JSON.stringify(result, undefined, 2)}\n`);
  writeFileAtomic(join(output, "comparison.md"), joined(tables, markdownTable));
  writeFileAtomic(join(output, "comparison.tex"), joined(tables, latexTable));
  await writeReport(join(output, REPORT), [output]);
  return { result, text: joined(tables, terminalTable) };
}

/** Of all that is summed up: runs that are there from an earlier call may have others than were asked for. */
const seedsOf = (runs: readonly CollectedRun[]): number[] =>
  [...new Set(runs.map(({ seed }) => seed))].sort((a, b) => a - b);

const joined = (tables: readonly Table[], render: (table: Table) => string): string =>
  `${tables.map(render).join("\n\n")}\n`;

async function allRowTests(
  comparison: Comparison,
  runs: readonly CollectedRun[],
  note: WriteOptions["note"],
): Promise<SignificanceTest[]> {
  const tests: SignificanceTest[] = [];
  for (const { name } of comparison.tasks) {
    const methods = methodsWithoutFailure(comparison, new Set([name]));
    const own = runs.filter(({ task }) => task === name) as [CollectedRun, ...CollectedRun[]];
    const judging = judgingOf(own);
    tests.push(...rowTests(name, methods, await judgedRuns(own, judging), judging, note));
  }
  return tests;
}

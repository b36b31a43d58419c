import { join } from "node:path";
import { methodsWithoutFailure } from "../../compare/comparison.js";
import { comparisonTables } from "../../compare/comparisonTables.js";
import { latexTable, markdownTable, type Table, terminalTable } from "../../compare/renderTable.js";
import { significance } from "../../compare/significance.js";
import { significanceTable } from "../../compare/significanceTable.js";
import { summary } from "../../compare/statistics.js";
import { writeFileAtomic } from "../../files/atomic.js";
import {
  type Comparison,
  type ComparisonFile,
  type MissingRuns,
  type SignificanceTest,
  writeComparisonFile,
} from "../../files/comparison.js";
import { TABLES } from "../../files/comparisonFolder.js";
import { REPORT } from "../../files/names.js";
import { writeReport } from "../writeReport.js";
import type { CollectedRun } from "./collect.js";
import { type AskedFor, gathered } from "./gathered.js";
import { judgedRuns } from "./judgedRuns.js";
import { judgingOf } from "./judging.js";
import { rowTests } from "./rowTests.js";

/** What a comparison found. */
export interface Compared {
  readonly kind: "compared";
  readonly result: ComparisonFile;
  /** Its tables for the terminal. */
  readonly text: string;
  readonly output: string;
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
): Promise<{ readonly result: ComparisonFile; readonly text: string }> {
  const comparison = gathered(runs, options, missing);
  const { tasks, methods, reached } = comparison;
  const tests = [...significance(comparison), ...(await allRowTests(comparison, runs, options.note))];
  const tables = [...comparisonTables(comparison, reached), ...(tests.length > 0 ? [significanceTable(tests)] : [])];
  const result: ComparisonFile = {
    runs: runs.map(({ folder: _folder, evaluations: _evaluations, scored: _scored, ...run }) => run),
    summary: summary(runs),
    tests,
    ...missing,
    tasks,
    methods,
    reached,
    conditions: { ...options.conditions, seeds: seedsOf(runs) },
  };
  writeComparisonFile(output, result);
  writeFileAtomic(join(output, TABLES.markdown), joined(tables, markdownTable));
  writeFileAtomic(join(output, TABLES.latex), joined(tables, latexTable));
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

import { BidoraError } from "../common/errors.js";
import type { ComparedTask, Comparison, ScoreReached } from "../files/comparison.js";
import { checkComparison } from "./comparison.js";
import { costColumns } from "./costColumns.js";
import { missingNotes } from "./missingRuns.js";
import { scoreColumns, seedCounts } from "./scoreColumns.js";
import type { Column, Table } from "./table.js";

/**
 * Methods by tasks: the scores, the best of each column marked, and what they cost. One table for one task; with more of them
 * two, for it would be too wide. Where nothing is known "–" stands.
 * @throws BidoraError `COMPARISON` as `checkComparison`, and for a score to reach in a task that is not there
 */
export function comparisonTables(comparison: Comparison, reached: readonly ScoreReached[] = []): Table[] {
  checkComparison(comparison);
  checkReached(comparison, reached);
  const { tasks, methods } = comparison;
  const counts = seedCounts(comparison);
  const usual = Math.max(0, ...counts);
  const scores = tasks.map((task) => scoreColumns(comparison, task, usual));
  const costs = tasks.map((task) => costColumns(comparison, task, reachedIn(task.name, reached)));
  const table = (columns: readonly Column[][], notes: readonly string[]): Table => ({
    heading: "Method",
    names: methods,
    columns: columns.flat(),
    notes,
  });
  const scoreNotes = [...seedsNote(usual, counts), ...missingNotes(comparison), ...rowsNotes(tasks)];
  const costNotes = usual > 1 ? ["Time and memory are means over seeds."] : [];
  return tasks.length <= 1
    ? [table([...scores, ...costs], [...scoreNotes, ...costNotes])]
    : [table(scores, scoreNotes), table(costs, costNotes)];
}

const reachedIn = (task: string, reached: readonly ScoreReached[]): ScoreReached | undefined =>
  reached.find((one) => one.task === task);

function checkReached({ tasks, methods }: Comparison, reached: readonly ScoreReached[]): void {
  for (const { task, runs } of reached) {
    const stray = tasks.some(({ name }) => name === task)
      ? runs.find(({ method }) => !methods.includes(method))?.method
      : task;
    if (stray === undefined) continue;
    throw new BidoraError(
      "COMPARISON",
      `Expected a score to reach of the tasks and methods that are compared, one of "${stray}" came; name it among them.`,
    );
  }
}

/** What must be said of the rows that scores are of. */
function rowsNotes(tasks: readonly ComparedTask[]): string[] {
  const beside = "Methods are compared and tested by the test rows; validation rows are shown beside them.";
  const chosen = tasks.flatMap(({ name, chosenByRows = [] }) =>
    chosenByRows.length === 0
      ? []
      : [
          `On ${name}, ${chosenByRows.join(", ")} stopped early by the validation rows: the scores on those rows were used for selection and are too good.`,
        ],
  );
  return [...(tasks.some((task) => task.beside) ? [beside] : []), ...chosen];
}

function seedsNote(usual: number, counts: readonly number[]): string[] {
  if (usual === 0) return [];
  if (usual === 1) return ["One run each: a difference between two of them may be chance."];
  const differs = counts.some((count) => count !== usual);
  return [`Mean ± sample standard deviation over ${usual} seeds${differs ? ", or as many as n says" : ""}.`];
}

// Which rows count in training and evaluation, and what is said of the others.
import { BidoraError, type CallContext } from "../../base/index.js";
import type { Task } from "../../tasks/index.js";
import type { Rows } from "./batches.js";

/**
 * The rows that a task uses, with a note on the others.
 * @param what the split
 * @throws BidoraError `NO_LOSS` if there are none, or one whose loss compares it with others
 */
export function usedRows(task: Task, rows: Rows, what: string, { onNote }: CallContext): Rows {
  const used = rows.filter((row) => !task.isLeftOut?.(row));
  const left = rows.length - used.length;
  if (task.arranged && used.length === 1)
    throw new BidoraError(
      "NO_LOSS",
      `The loss compares the rows of a batch with each other, and there is only one ${what} row: give 2 or more.`,
    );
  if (left === 0) return rows;
  const note = `${left} of ${rows.length} ${what} rows are left out: their prompts are as long as --max-length allows, or longer.`;
  if (used.length === 0) throw new BidoraError("NO_LOSS", note);
  onNote?.(note);
  return used;
}

/**
 * A note about rows that do not count in the loss, such as those whose labeled tokens were cut off. They change nothing.
 * Undefined if there are none.
 * @param what the split: training, validation
 * @throws BidoraError `NO_LOSS` if no row counts in the loss
 */
export function noteWithoutLoss(task: Task, rows: Rows, what: string): string | undefined {
  const without = rows.filter((row) => task.weight(row) === 0).length;
  if (without === 0) return undefined;
  const { whyWithoutLoss = "they have no labeled tokens within --max-length" } = task;
  const note = `${without} of ${rows.length} ${what} rows do not count in the loss: ${whyWithoutLoss}.`;
  if (without < rows.length) return note;
  const remedy = task.contrastive ? "Add negatives, or name another --loss." : "Give a larger --max-length.";
  throw new BidoraError("NO_LOSS", `${note} ${remedy}`);
}

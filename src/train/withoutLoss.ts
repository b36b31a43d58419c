import { BidoraError } from "../common/errors.js";
import type { EncodedRow, Task } from "../tasks/index.js";

/**
 * What is to be said of rows whose loss-bearing tokens were cut off, or that never had one: they stay, and change nothing. Undefined
 * where there are none.
 * @param what the rows are for: training, validation
 * @throws BidoraError `NO_LOSS` where there are no others
 */
export function noteWithoutLoss(task: Task, rows: readonly EncodedRow[], what: string): string | undefined {
  const without = rows.filter((row) => task.weight(row) === 0).length;
  if (without === 0) return undefined;
  const fault = what === "training" ? "nothing of them is to be learnt" : "nothing of them is to be foretold";
  const note = `${without} of ${rows.length} ${what} rows bear no loss: ${fault}, or it lies beyond --max-length.`;
  if (without === rows.length) throw new BidoraError("NO_LOSS", note);
  return note;
}

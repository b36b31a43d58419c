/** Forms of rows that other trainers take, and that would be read as something else here. */
import { UsageError } from "../../base/index.js";
import type { Column } from "./columns.js";
import { columnName, type Guessed, type Rows } from "./guess.js";

/** @throws UsageError that says what to do */
export function refuseOtherForms({ table, columns }: Rows, { textColumns }: Guessed): void {
  const column = (name: string): Column | undefined => columns.find((one) => one.name === name);
  const has = (name: string): boolean => column(name) !== undefined;
  const coded = ["messages", "tokens", "words", "conversations"].map(column).find((one) => one && isCode(one));
  if (coded)
    throw new UsageError(
      `${table.file}: ${columnName(coded)} holds lists as text, such as ${String(coded.values[0]).slice(0, 20)}…: write the rows as a .jsonl or .parquet file.`,
    );
  if (textColumns) return;
  const isRated = has("prompt") && has("completion") && column("label")?.shape === "boolean";
  if ((has("chosen") && has("rejected")) || isRated)
    throw new UsageError(
      `${table.file}: ${isRated ? "prompt, completion and label" : "chosen and rejected"} are preferences, which no method here trains on: keep the good answers alone, as prompt and completion.`,
    );
  if (has("conversations") && !has("messages"))
    throw new UsageError(
      `${table.file}: conversations are expected in a column messages, each a list of {"role", "content"}: rename conversations, from and value.`,
    );
}

const isCode = ({ values }: Column): boolean =>
  values.length > 0 && values.every((value) => typeof value === "string" && value.trimStart().startsWith("["));

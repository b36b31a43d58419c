/** Which task the rows of a run are for, where the user names none. */
import { type CallContext, own, UsageError } from "../../base/index.js";
import {
  formsOfFile,
  hasDecimalComma,
  isAbsent,
  loadTable,
  usualLabelColumns,
  usualTextColumns,
} from "../../tasks/data/index.js";
import { TASKS, type TaskKind } from "../../tasks/index.js";

/** Enough rows to tell names from numbers. */
const FIRST_ROWS = 1000;

/**
 * The task of rows that leave no choice: a text with a label that is a name, a conversation, or a prompt with its completion.
 * @throws UsageError for other rows
 */
export async function taskOfRows(train: string | undefined, { onNote }: CallContext = {}): Promise<TaskKind> {
  const known = Object.keys(TASKS).join(", ");
  const found = train !== undefined && formsOfFile(train).isTable ? await evidentTask(train) : undefined;
  if (found === undefined) throw new UsageError(`--task is missing: ${known}, or a data set such as glue/mrpc.`);
  onNote?.(`The task is ${found.kind}, by ${found.columns.join(", ")}; --task names another.`);
  return found.kind;
}

async function evidentTask(
  file: string,
): Promise<{ readonly kind: TaskKind; readonly columns: readonly string[] } | undefined> {
  const table = await loadTable(file, { limit: FIRST_ROWS });
  const has = (name: string): boolean => table.columns.includes(name);
  const texts = usualTextColumns(table);
  const [label] = usualLabelColumns(table).filter((name) => !texts?.includes(name));
  if (texts && label) {
    const values = table.rows.map((row) => own(row.values, label)).filter((value) => !isAbsent(value));
    return values.every(isName) && repeat(values)
      ? { kind: "sequence-classification", columns: [...texts, label] }
      : undefined;
  }
  if (["chosen", "rejected", "label"].some(has)) return undefined;
  const language = [["messages"], ["prompt", "completion"]].find((columns) => columns.every(has));
  return language && { kind: "causal-lm", columns: language };
}

/** A number can be a class or a value of regression. */
const isName = (value: unknown): boolean =>
  typeof value === "string" && Number.isNaN(Number(value)) && !hasDecimalComma(value);

/** With fewer rows, classes need not repeat. */
const FEW_ROWS = 20;

const repeat = (values: readonly unknown[]): boolean =>
  values.length < FEW_ROWS || new Set(values).size <= values.length / 2;

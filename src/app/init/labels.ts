/** Which task the values of a label column mean. */
import { oneLine, UsageError } from "../../base/index.js";
import { hasDecimalComma } from "../../tasks/data/index.js";
import type { TaskKind } from "../../tasks/index.js";
import type { Column } from "./columns.js";
import { columnName } from "./guess.js";

/** A task for a label, and why. */
export interface LabelTask {
  readonly task: TaskKind;
  readonly why: string;
  /** Another task that the values allow, and what the label would be. */
  readonly other?: { readonly task: TaskKind; readonly when: string };
}

/** The most different values that are taken for classes where the column's name does not say that it is a label. */
const MOST_CLASSES = 20;
/** As many rows of each class on average. */
const ROWS_OF_CLASS = 4;
/** With fewer rows classes need only repeat. */
const FEW_ROWS = 20;

/**
 * The task that a label column is for.
 * @throws UsageError for values that no task takes
 */
export function taskOfLabel(label: Column): LabelTask {
  const { shape } = label;
  if (shape === "list")
    return { task: "multi-label-classification", why: `${columnName(label)} holds lists of labels` };
  if (shape === "number") return ofNumbers(label);
  if (shape === "whole") return ofWholeNumbers(label);
  if (shape === "name" || shape === "text") return { task: "sequence-classification", why: distinctValues(label) };
  throw new UsageError(
    `The column ${columnName(label)} can't be a label: ${WHY_NOT[shape] ?? "no task takes its values"}.`,
  );
}

const WHY_NOT: Readonly<Partial<Record<Column["shape"], string>>> = {
  boolean: "it holds true and false, but a label is a name or a whole number; write 1 and 0",
  empty: "it has no values",
};

function ofNumbers(label: Column): LabelTask {
  const why = `${columnName(label)} holds numbers such as ${someValues(label)}`;
  if (label.counts.size > MOST_CLASSES || label.values.some((value) => typeof value === "number"))
    return { task: "regression", why };
  return { task: "regression", why, other: { task: "sequence-classification", when: "each number is a class" } };
}

function ofWholeNumbers(label: Column): LabelTask {
  const why = distinctValues(label);
  if (label.counts.size > MOST_CLASSES)
    return { task: "regression", why, other: { task: "sequence-classification", when: "each number is a class" } };
  const task = "sequence-classification";
  return label.counts.size < 3 ? { task, why } : { task, why, other: { task: "regression", when: "it is a score" } };
}

/** Whether the column could hold classes: few values that repeat. */
export function hasClasses({ shape, counts, values }: Column): boolean {
  if (shape !== "name" && shape !== "whole" && shape !== "text") return false;
  const most = values.length < FEW_ROWS ? values.length - 1 : Math.min(MOST_CLASSES, values.length / ROWS_OF_CLASS);
  return counts.size >= 2 && counts.size <= most;
}

/** Whether the column could be a label if its name, or the lack of other columns, says so. */
export const isLabel = ({ shape, counts, values }: Column): boolean =>
  shape === "number" ||
  shape === "list" ||
  shape === "boolean" ||
  (counts.size > 1 && counts.size <= values.length / 2);

/** Whether the column has a label's 0 or 1, as one of several such columns. */
export const isFlag = ({ shape, counts, absent }: Column): boolean =>
  shape === "whole" && absent === 0 && [...counts.keys()].every((value) => value === "0" || value === "1");

const distinctValues = (label: Column): string =>
  `${columnName(label)} has ${label.counts.size} distinct ${label.counts.size === 1 ? "value" : "values"} in ${label.values.length} rows (${someValues(label)})`;

/** A few values, shortened. */
function someValues({ counts }: Column): string {
  const some = Array.from(counts.keys(), (value) => oneLine(value.length > 20 ? `${value.slice(0, 20)}…` : value));
  return some.length > 4 ? `${some.slice(0, 3).join(", ")}, …` : some.join(", ");
}

/** Names that often stand for a missing value. */
const MISSING = /^(nan|null|n\/a|#n\/a|na|undefined|missing)$/i;

/** What a user should look at in a column of classes, one sentence each. */
export function classNotes(label: Column): string[] {
  const names = [...label.counts.keys()];
  const missing = names.find((name) => MISSING.test(name.trim()));
  const alike = names.find((name) => names.some((other) => other !== name && plain(other) === plain(name)));
  const others = names.filter((name) => alike !== undefined && plain(name) === plain(alike));
  const once = names.filter((name) => label.counts.get(name) === 1);
  const hasCommas =
    names.some(hasDecimalComma) && names.every((name) => hasDecimalComma(name) || !Number.isNaN(Number(name)));
  return [
    ...(hasCommas
      ? [`${columnName(label)} holds numbers with a comma, here as classes: for regression write them with a point.`]
      : []),
    ...(missing === undefined
      ? []
      : [
          `${columnName(label)} has the value ${missing} in ${label.counts.get(missing)} rows, which is a class like the others: remove these rows if they have no label.`,
        ]),
    ...(alike === undefined
      ? []
      : [
          `The labels ${others.map((name) => JSON.stringify(name)).join(" and ")} differ only in case or spaces, and are different classes.`,
        ]),
    ...(once.length > 0 && label.values.length > FEW_ROWS
      ? [
          `${once.length} of the ${names.length} labels in ${columnName(label)} ${once.length === 1 ? "occurs" : "occur"} in one row only (${someValues({ ...label, counts: new Map(once.map((name) => [name, 1])) })}): is ${columnName(label)} the label?`,
        ]
      : []),
  ];
}

const plain = (name: string): string => name.trim().toLowerCase();

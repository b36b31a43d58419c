/** What is guessed of a run: the task and the columns. */
import { oneLine, someOf } from "../../base/index.js";
import type { RunSettings } from "../../tasks/config/index.js";
import type { Table } from "../../tasks/data/index.js";
import type { TaskKind } from "../../tasks/index.js";
import type { Column } from "./columns.js";

/** The settings that are guessed, unless the user gives them. */
export interface Guessed extends Pick<RunSettings, "textColumns" | "labelColumn" | "dropUnlabeled" | "loss"> {
  readonly task?: TaskKind | undefined;
}

/** Rows to guess from. */
export interface Rows {
  readonly table: Table;
  readonly columns: readonly Column[];
}

/** A setting that the rows leave open, with the values to choose from; the guess is the first. */
export interface Question {
  readonly key: Exclude<keyof Guessed, "dropUnlabeled" | "loss">;
  readonly text: string;
  readonly choices: readonly (readonly string[])[];
}

/** A guess, and what it rests on. */
export interface Guess {
  readonly settings: Guessed & { readonly task: TaskKind };
  /** Why, one sentence for each decision. */
  readonly reasons: readonly string[];
  /** In the order in which they should be asked: a later one may follow from an earlier one's answer. */
  readonly open: readonly Question[];
  /** The columns that are read, where the settings don't name them. */
  readonly columns?: readonly string[];
  readonly isChat?: boolean;
}

/** The most columns that a message names. */
const MOST_NAMED = 12;

/** Names of columns in a message. In a file without a header row they can be long texts. */
export const listed = (columns: readonly Pick<Column, "name">[]): string => someOf(columns.map(columnName), MOST_NAMED);

/** A column's name in a message. */
export const columnName = ({ name }: Pick<Column, "name">): string =>
  oneLine(name.length > 40 ? `${name.slice(0, 40)}…` : name);

/** The columns of these names that are there. */
export const columnsNamed = ({ columns }: Rows, names: readonly string[]): Column[] =>
  names.flatMap((name) => columns.find((column) => column.name === name) ?? []);

/** What the values of a column look like. */
import { isObject, own } from "../../base/index.js";
import { isAbsent, type Table } from "../../tasks/data/index.js";

/**
 * - `text`: strings of several words; `name`: shorter ones, and codes
 * - `whole` and `number`: numbers, or strings that hold them; codes with leading zeros are names
 * - `list`: lists of names or whole numbers; `messages`: conversations
 */
export type Shape = "text" | "name" | "whole" | "number" | "boolean" | "list" | "messages" | "other" | "empty";

/** A column of a table. */
export interface Column {
  readonly name: string;
  readonly shape: Shape;
  /** The values that are there. */
  readonly values: readonly unknown[];
  /** How often each value occurs, by its text. */
  readonly counts: ReadonlyMap<string, number>;
  /** Rows without a value. */
  readonly absent: number;
}

/** The columns of a table that have a name. An index that pandas writes has none. */
export const columnsOf = (table: Table): readonly Column[] =>
  table.columns.filter((name) => name !== "").map((name) => columnOf(table, name));

function columnOf({ rows }: Table, name: string): Column {
  const values = rows.map(({ values }) => own(values, name)).filter((value) => !isAbsent(value));
  const counts = new Map<string, number>();
  for (const value of values) {
    const text = typeof value === "string" ? value : JSON.stringify(value, exact);
    counts.set(text, (counts.get(text) ?? 0) + 1);
  }
  return { name, shape: shapeOf(values), values, counts, absent: rows.length - values.length };
}

const exact = (_: string, value: unknown): unknown => (typeof value === "bigint" ? String(value) : value);

function shapeOf(values: readonly unknown[]): Shape {
  const are = (fits: (value: unknown) => boolean): boolean => values.every(fits);
  if (values.length === 0) return "empty";
  if (are(isConversation)) return "messages";
  if (are((value) => Array.isArray(value) && value.every(isName))) return "list";
  if (are((value) => typeof value === "boolean")) return "boolean";
  if (are(isWhole)) return "whole";
  if (are((value) => isWhole(value) || isNumber(value))) return "number";
  if (!are((value) => typeof value === "string" || typeof value === "number")) return "other";
  return isProse(values.map(String)) ? "text" : "name";
}

const isName = (value: unknown): boolean => typeof value === "string" || Number.isSafeInteger(value);
const isConversation = (value: unknown): boolean =>
  Array.isArray(value) && value.length > 0 && value.every((part) => isObject(part) && "role" in part);

/** 007 is a code. */
const WHOLE = /^[-+]?(0|[1-9]\d*)(\.0*)?$/;
const NUMBER = /^[-+]?(0|[1-9]\d*)?(\.\d*)?(e[-+]?\d+)?$/i;
const isWhole = (value: unknown): boolean =>
  typeof value === "string" ? WHOLE.test(value.trim()) : Number.isSafeInteger(value);
const isNumber = (value: unknown): boolean =>
  typeof value === "string" ? /\d/.test(value) && NUMBER.test(value.trim()) : Number.isFinite(value);

/** The mean number of words from which strings are texts. */
const WORDS = 3;

const isProse = (values: readonly string[]): boolean =>
  values.reduce((sum, value) => sum + wordsIn(value), 0) / values.length >= WORDS;

/** Scripts without spaces have words of about two characters. */
const UNSPACED =
  /[\p{Script=Han}\p{Script=Hiragana}\p{Script=Katakana}\p{Script=Thai}\p{Script=Lao}\p{Script=Khmer}\p{Script=Myanmar}]/gu;

const wordsIn = (text: string): number => text.trim().split(/\s+/).length + (text.match(UNSPACED)?.length ?? 0) / 2;

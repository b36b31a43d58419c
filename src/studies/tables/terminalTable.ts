// A table as text for the terminal, no wider than a usual window.
import { group } from "d3-array";
import stringWidth from "string-width";
import { oneLine, wrap } from "../../base/index.js";
import { groupSpans, NOTHING, type ResultColumn, type ResultTable, type Span, withBreak } from "./renderTable.js";

const GAP = "  ";

/** Marks the best cells. The others of the column get a space instead, so that numbers stay aligned. */
const MARK = "*";

/** The width of a usual terminal. */
const WIDTH = 100;

/** A table as lines of text for the terminal, aligned by the characters' display width, with its notes. */
export function terminalTable(table: ResultTable): string {
  const best = table.columns.some(({ cells }) => cells.some((cell) => cell.best)) ? [`${MARK} the best mean`] : [];
  const notes = [...best, ...table.notes.map(oneLine)].flatMap((note) => wrap(note, WIDTH, "  ", ""));
  return [...fittingLines(table), ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}

/**
 * The table; if that is too wide, without spaces in "mean ± deviation"; if that is still too wide, in parts one below the other: a part for
 * all rows with the same words, else some columns in each part.
 */
function fittingLines(table: ResultTable): string[] {
  for (const one of [table, condensed(table)]) {
    const lines = alignedLines(one);
    if (widest(lines) <= WIDTH) return lines;
  }
  const parts = partsByWords(table) ?? partsByColumns(table).map(alignedLines);
  return parts.flatMap((lines, i) => (i === 0 ? lines : ["", ...lines]));
}

const condensed = (table: ResultTable): ResultTable => ({
  ...table,
  columns: table.columns.map((column) => ({
    ...column,
    cells: column.cells.map(({ text, best }) => ({ text: text.replace(" ± ", "±"), best })),
  })),
});

/** The rows by their cells in columns of words, which become a heading of each part; undefined without such columns. */
function partsByWords({ columns, names, ...rest }: ResultTable): string[][] | undefined {
  const wordsOf = (row: number) => columns.flatMap(({ align, cells }) => (align === "left" ? cells[row]!.text : []));
  const byWords = group([...names.keys()], (row) => wordsOf(row).map(oneLine).join(", "));
  if (byWords.has("")) return undefined;
  return [...byWords].map(([words, rows]) => {
    const own = columns.map((column) => ({ ...column, cells: rows.map((row) => column.cells[row]!) }));
    const hasValues = ({ align, cells }: ResultColumn) =>
      align !== "left" && cells.some(({ text }) => text !== NOTHING);
    const part = { ...rest, names: rows.map((row) => names[row]!), columns: own.filter(hasValues) };
    return [words, ...fittingLines(part)];
  });
}

/** As many columns as fit in each part; those of a group stay together if they fit. */
function partsByColumns(table: ResultTable): ResultTable[] {
  const isFitting = (columns: readonly ResultColumn[]) => widest(alignedLines({ ...table, columns })) <= WIDTH;
  let next = 0;
  const units = groupSpans(table.columns).flatMap(({ count }) => {
    const columns = table.columns.slice(next, next + count);
    next += count;
    return isFitting(columns) ? [columns] : columns.map((column) => [column]);
  });
  const parts: ResultColumn[][] = [];
  for (const unit of units) {
    const last = parts.at(-1);
    if (last && isFitting([...last, ...unit])) last.push(...unit);
    else parts.push([...unit]);
  }
  return parts.map((columns) => ({ ...table, columns }));
}

function alignedLines(table: ResultTable): string[] {
  const shown = withShortTitles(table.columns);
  const columns = shown.map(({ title, cells }) => {
    const marked = cells.some(({ best }) => best);
    const texts = cells.map(({ text, best }) => oneLine(text) + (marked ? (best ? MARK : " ") : ""));
    return [oneLine(title) + (marked ? " " : ""), ...texts];
  });
  const names = [table.heading, ...table.names].map(oneLine);
  const groups = groupSpans(shown).map(({ group, count }) => ({ group: oneLine(group), count }));
  const widths = columnWidths(columns, groups);
  const nameWidth = widest(names);
  const pads = shown.map(({ align }) => (align === "left" ? padEnd : padStart));
  const rows = names.map((name, row) =>
    [padEnd(name, nameWidth), ...columns.map((texts, column) => pads[column]!(texts[row] ?? "", widths[column]!))].join(
      GAP,
    ),
  );
  const head = groups.some(({ group }) => group !== "") ? [groupLine(groups, widths, nameWidth)] : [];
  return [...head, ...withBreak(rows, table.apart, "")].map((line) => line.trimEnd());
}

/** Beside groups, a title of two words without a group has its first word on the groups' line. */
function withShortTitles(columns: readonly ResultColumn[]): readonly ResultColumn[] {
  if (columns.every(({ group }) => group === "")) return columns;
  return columns.map((column) => {
    const [first = "", ...others] = column.title.split(" ");
    return column.group === "" && others.length > 0 && others[0] !== "↓"
      ? { ...column, group: first, title: others.join(" ") }
      : column;
  });
}

/** The width of each column's widest text; the first column of a group is wider if the group's name needs it. */
function columnWidths(columns: readonly (readonly string[])[], groups: readonly Span[]): number[] {
  const widths = columns.map(widest);
  let first = 0;
  for (const { group, count } of groups) {
    widths[first]! += Math.max(0, stringWidth(group) - spanWidth(widths.slice(first, first + count)));
    first += count;
  }
  return widths;
}

function groupLine(groups: readonly Span[], widths: readonly number[], nameWidth: number): string {
  let first = 0;
  const parts = groups.map(({ group, count }) => {
    const width = spanWidth(widths.slice(first, first + count));
    first += count;
    return padStart(padEnd(group, Math.floor((width + stringWidth(group)) / 2)), width);
  });
  return [" ".repeat(nameWidth), ...parts].join(GAP);
}

const spanWidth = (widths: readonly number[]): number =>
  widths.reduce((sum, width) => sum + width, 0) + GAP.length * (widths.length - 1);

const widest = (texts: readonly string[]): number => texts.reduce((most, text) => Math.max(most, stringWidth(text)), 0);
const padEnd = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - stringWidth(text)));
const padStart = (text: string, width: number): string => " ".repeat(Math.max(0, width - stringWidth(text))) + text;

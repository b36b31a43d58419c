// A table as text for the terminal, no wider than a usual window.
import { group } from "d3-array";
import stringWidth from "string-width";
import { oneLine, wrap } from "../../base/index.js";
import { NOTHING, type ResultColumn, type ResultTable, withBreak } from "./renderTable.js";

const GAP = "  ";

/** Marks the best cells. The others of the column get a space instead, so that numbers stay aligned. */
const MARK = "*";

/** The width of a usual terminal. */
const WIDTH = 100;

/** A table as text for the terminal, aligned by the characters' display width, below its title and above its notes. */
export function terminalTable(table: ResultTable): string {
  const notes = noteLines([...bestNote([table]), ...table.notes]);
  return [...titledLines(table), ...(notes.length > 0 ? ["", ...notes] : [])].join("\n");
}

const titledLines = (table: ResultTable): string[] => [
  ...(table.title === undefined ? [] : [oneLine(table.title)]),
  ...fittingLines(table),
];

const bestNote = (tables: readonly ResultTable[]): string[] =>
  tables.some(({ columns }) => columns.some(({ cells }) => cells.some(({ best }) => best)))
    ? [`${MARK} the best mean`]
    : [];

const noteLines = (notes: readonly string[]): string[] => notes.flatMap((note) => wrap(oneLine(note), WIDTH, "  ", ""));

/** A sentence in lines of the terminal. */
export const wrapped = (sentence: string): string => wrap(oneLine(sentence), WIDTH).join("\n");

/** The lines that the notes below short tables take at most. */
const NOTE_LINES = 5;

/**
 * What a comparison shows, in short: the sentence, of each table the columns that fit and are not minor, and those of the notes that fit
 * into five lines with the last one.
 * @param notes the most important ones first
 */
export function terminalSummary(sentence: string, tables: readonly ResultTable[], notes: readonly string[]): string {
  const short = tables.map((table) => {
    const all = { ...table, columns: table.columns.filter(({ isMinor }) => !isMinor) };
    return isFitting(condensed(all)) ? all : partsByColumns(condensed(all))[0]!;
  });
  const shown = bestNote(short);
  for (const note of notes) if (noteLines([...shown, note]).length < NOTE_LINES) shown.push(note);
  const left = notes.filter((note) => !shown.includes(note)).length;
  const more = `With --verbose: all columns, tables and tests${left === 0 ? "" : `, and ${left} more ${left === 1 ? "note" : "notes"}`}.`;
  const parts = [...short.map(titledLines), noteLines([...shown, more])].map((lines) => lines.join("\n"));
  return [wrapped(sentence), ...parts].join("\n\n");
}

/**
 * The table; if that is too wide, without spaces in "mean ± deviation"; if that is still too wide, in parts one below the other: a part for
 * all rows with the same words, else some columns in each part.
 */
function fittingLines(table: ResultTable): string[] {
  const fitting = [table, condensed(table)].find(isFitting);
  if (fitting) return alignedLines(fitting);
  const parts = partsByWords(table) ?? partsByColumns(table).map(alignedLines);
  return parts.flatMap((lines, i) => (i === 0 ? lines : ["", ...lines]));
}

const isFitting = (table: ResultTable): boolean => widest(alignedLines(table)) <= WIDTH;

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

/** As many columns as fit in each part. */
function partsByColumns(table: ResultTable): ResultTable[] {
  const parts: ResultColumn[][] = [];
  for (const column of table.columns) {
    const last = parts.at(-1);
    if (last && isFitting({ ...table, columns: [...last, column] })) last.push(column);
    else parts.push([column]);
  }
  return parts.map((columns) => ({ ...table, columns }));
}

function alignedLines({ heading, names, columns, apart }: ResultTable): string[] {
  const texts = columns.map(({ title, cells }) => {
    const marked = cells.some(({ best }) => best);
    const below = cells.map(({ text, best }) => oneLine(text) + (marked ? (best ? MARK : " ") : ""));
    return [oneLine(title) + (marked ? " " : ""), ...below];
  });
  const first = [heading, ...names].map(oneLine);
  const padded = [{ texts: first, pad: padEnd }, ...texts.map((texts, i) => ({ texts, pad: padOf(columns[i]!) }))];
  const widths = padded.map(({ texts }) => widest(texts));
  const rows = first.map((_, row) => padded.map(({ texts, pad }, i) => pad(texts[row] ?? "", widths[i]!)).join(GAP));
  return withBreak(rows, apart, "").map((line) => line.trimEnd());
}

const padOf = ({ align }: ResultColumn) => (align === "left" ? padEnd : padStart);

const widest = (texts: readonly string[]): number => texts.reduce((most, text) => Math.max(most, stringWidth(text)), 0);
const padEnd = (text: string, width: number): string => text + " ".repeat(Math.max(0, width - stringWidth(text)));
const padStart = (text: string, width: number): string => " ".repeat(Math.max(0, width - stringWidth(text))) + text;

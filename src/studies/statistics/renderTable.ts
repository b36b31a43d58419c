// A table as data, and its renderings: text for the terminal, Markdown, LaTeX.
import { markdownTable as alignTable } from "markdown-table";
import stringWidth from "string-width";
import { oneLine } from "../../base/index.js";

/** A table as data: one row per name, its cells by column. */
export interface ResultTable {
  readonly heading: string;
  readonly names: readonly string[];
  /** How many of the last names stand apart from the others. */
  readonly apart?: number;
  readonly columns: readonly ResultColumn[];
  /** Sentences to print below the table. */
  readonly notes: readonly string[];
}

export interface ResultColumn {
  /** A heading that neighboring columns share, above their titles; may be empty. */
  readonly group: string;
  readonly title: string;
  /** Words are aligned left, numbers right. */
  readonly align: "left" | "right";
  /** One cell per name, in their order. */
  readonly cells: readonly ResultCell[];
}

export interface ResultCell {
  readonly text: string;
  /** Whether it is the best of its column, ties included. */
  readonly best: boolean;
}

/** The text of an empty cell. */
export const NOTHING = "–";

export const plain = (text: string): ResultCell => ({ text, best: false });

/** Makes columns of one group, none of whose cells is the best. @param rows what the rows of the table are about */
export const plainColumns =
  <Row>(rows: readonly Row[], group = "") =>
  (title: string, textOf: (row: Row) => string, align: ResultColumn["align"] = "right"): ResultColumn => ({
    ...{ group, title, align },
    cells: rows.map((row) => plain(textOf(row))),
  });

interface Span {
  readonly group: string;
  readonly count: number;
}

export function groupSpans(columns: readonly ResultColumn[]): Span[] {
  const spans: { group: string; count: number }[] = [];
  for (const { group } of columns) {
    const last = spans.at(-1);
    if (last?.group === group) last.count++;
    else spans.push({ group, count: 1 });
  }
  return spans;
}

const GAP = "  ";

/** Marks the best cells. The others of the column get a space instead, so that numbers stay aligned. */
const MARK = "*";

/** A table as lines of text for the terminal, aligned by the characters' display width. */
export function terminalTable(table: ResultTable): string {
  const columns = table.columns.map(({ title, cells }) => {
    const marked = cells.some(({ best }) => best);
    const texts = cells.map(({ text, best }) => oneLine(text) + (marked ? (best ? MARK : " ") : ""));
    return [oneLine(title) + (marked ? " " : ""), ...texts];
  });
  const names = [table.heading, ...table.names].map(oneLine);
  const groups = groupSpans(table.columns).map(({ group, count }) => ({ group: oneLine(group), count }));
  const widths = columnWidths(columns, groups);
  const nameWidth = widest(names);
  const pads = table.columns.map(({ align }) => (align === "left" ? padEnd : padStart));
  const rows = names.map((name, row) =>
    [padEnd(name, nameWidth), ...columns.map((texts, column) => pads[column]!(texts[row] ?? "", widths[column]!))].join(
      GAP,
    ),
  );
  const head = groups.some(({ group }) => group !== "") ? [groupLine(groups, widths, nameWidth)] : [];
  const body = withBreak(rows, table.apart, "");
  const best = table.columns.some(({ cells }) => cells.some((cell) => cell.best)) ? [`${MARK} the best mean`] : [];
  const notes = [...best, ...table.notes.map(oneLine)];
  return [...head, ...body, ...(notes.length > 0 ? ["", ...notes] : [])].map((line) => line.trimEnd()).join("\n");
}

/** The lines, with one more before those that stand apart. */
const withBreak = (lines: readonly string[], apart = 0, between: string): string[] =>
  apart === 0 ? [...lines] : lines.toSpliced(lines.length - apart, 0, between);

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

/** A table in GitHub's Markdown, the best of each column in bold. It has a single header line: titles get their group as a prefix. */
export function markdownTable(table: ResultTable): string {
  const header = [table.heading, ...table.columns.map(titleOf)].map(escapeMarkdown);
  const rows = rowsOf(table, escapeMarkdown, (text) => `**${text}**`);
  const alignments = ["left", ...table.columns.map(({ align }) => align)];
  const lines = alignTable([header, ...rows], { align: alignments, stringLength: stringWidth });
  const notes = table.notes.map((note) => `\n\n${escapeMarkdown(note)}`);
  return `${lines}${notes.join("")}\n`;
}

/** The names and cells of each row. */
function rowsOf({ names, columns }: ResultTable, escaped: (text: string) => string, bold: (text: string) => string) {
  const textOf = ({ text, best }: ResultCell) => (best ? bold(escaped(text)) : escaped(text));
  return names.map((name, row) => [escaped(name), ...columns.map(({ cells }) => textOf(cells[row]!))]);
}

const titleOf = ({ group, title }: ResultColumn): string => (group === "" ? title : `${group}: ${title}`);

/** Escapes characters that begin markup, code, HTML or another cell. */
const escapeMarkdown = (text: string): string => oneLine(text).replace(/[\\`*_{}[\]<>#|~$&]/g, "\\$&");

/** A table as LaTeX's `tabular` with rules of the package `booktabs`, the best of each column in bold, and notes as comments. */
export function latexTable(table: ResultTable): string {
  const rows = rowsOf(table, escapeLatex, (text) => `\\textbf{${text}}`);
  const titles = [table.heading, ...table.columns.map(({ title }) => title)].map(escapeLatex);
  return [
    "% \\usepackage{booktabs}",
    ...table.notes.map((note) => `% ${oneLine(note)}`),
    `\\begin{tabular}{l${table.columns.map(({ align }) => align.charAt(0)).join("")}}`,
    "\\toprule",
    ...groupLines(table.columns),
    line(titles),
    "\\midrule",
    ...withBreak(rows.map(line), table.apart, "\\midrule"),
    "\\bottomrule",
    "\\end{tabular}",
    "",
  ].join("\n");
}

const line = (cells: readonly string[]): string => `${cells.join(" & ")} \\\\`;

/** The line of group names, and the line of rules below them. */
function groupLines(columns: readonly ResultColumn[]): string[] {
  const spans = groupSpans(columns);
  if (spans.every(({ group }) => group === "")) return [];
  const names = spans.map(({ group, count }) => `\\multicolumn{${count}}{c}{${escapeLatex(group)}}`);
  // Column 1 has the names.
  let next = 2;
  const rules = spans.map(({ count }) => {
    const first = next;
    next += count;
    return `\\cmidrule(lr){${first}-${next - 1}}`;
  });
  return [line(["", ...names]), rules.join(" ")];
}

const REPLACED: Readonly<Record<string, string>> = {
  // Two hyphens in a row are a dash in LaTeX.
  "-": "-{}",
  "\\": "\\textbackslash{}",
  "~": "\\textasciitilde{}",
  "^": "\\textasciicircum{}",
  "<": "\\textless{}",
  ">": "\\textgreater{}",
  "|": "\\textbar{}",
  "±": "$\\pm$",
  "−": "$-$",
  "–": "--",
  "↓": "$\\downarrow$",
  // After \\\\ these two would be read as its options.
  "[": "{[}",
  "*": "{*}",
};

/** Escapes LaTeX's special characters; signs that older fonts lack become mathematics. */
const escapeLatex = (text: string): string =>
  oneLine(text).replace(/-(?=-)|[\\~^<>|±−–↓[*&%$#_{}]/g, (sign) => REPLACED[sign] ?? `\\${sign}`);

// A table as data, and its renderings in Markdown and LaTeX.
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

export interface Span {
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

/** The lines, with one more before those that stand apart. */
export const withBreak = (lines: readonly string[], apart = 0, between: string): string[] =>
  apart === 0 ? [...lines] : lines.toSpliced(lines.length - apart, 0, between);

/** A table in GitHub's Markdown, the best of each column in bold, and a list of notes. It has a single header line: titles get their group as a prefix. */
export function markdownTable(table: ResultTable): string {
  const header = [table.heading, ...table.columns.map(titleOf)].map(escapeMarkdown);
  const rows = rowsOf(table, escapeMarkdown, (text) => `**${text}**`);
  const alignments = ["left", ...table.columns.map(({ align }) => align)];
  const lines = alignTable([header, ...rows], { align: alignments, stringLength: stringWidth });
  const notes = table.notes.map((note) => `- ${escapeMarkdown(note)}\n`);
  return `${lines}\n${notes.length > 0 ? "\n" : ""}${notes.join("")}`;
}

/** The names and cells of each row. */
function rowsOf({ names, columns }: ResultTable, escaped: (text: string) => string, bold: (text: string) => string) {
  const textOf = ({ text, best }: ResultCell) => (best ? bold(escaped(text)) : escaped(text));
  return names.map((name, row) => [escaped(name), ...columns.map(({ cells }) => textOf(cells[row]!))]);
}

const titleOf = ({ group, title }: ResultColumn): string => (group === "" ? title : `${group}: ${title}`);

/** Escapes characters that begin markup, code, HTML or another cell. */
const escapeMarkdown = (text: string): string => oneLine(text).replace(/[\\`*_{}[\]<>#|~$&]/g, "\\$&");

/**
 * A table as LaTeX's `tabular` with rules of the package `booktabs`, the best of each column in bold; with notes in the `tablenotes` of
 * `threeparttable`, in which the tabular then is.
 */
export function latexTable(table: ResultTable): string {
  const rows = rowsOf(table, escapeLatex, (text) => `\\textbf{${text}}`);
  const titles = [table.heading, ...table.columns.map(({ title }) => title)].map(escapeLatex);
  const tabular = [
    `\\begin{tabular}{l${table.columns.map(({ align }) => align.charAt(0)).join("")}}`,
    "\\toprule",
    ...groupLines(table.columns),
    line(titles),
    "\\midrule",
    ...withBreak(rows.map(line), table.apart, "\\midrule"),
    "\\bottomrule",
    "\\end{tabular}",
  ];
  const notes = table.notes.map((note) => `\\item ${escapeLatex(note)}`);
  return [
    "% \\usepackage{booktabs,threeparttable}",
    "\\begin{threeparttable}",
    ...tabular,
    ...(notes.length > 0 ? ["\\begin{tablenotes}\\footnotesize", ...notes, "\\end{tablenotes}"] : []),
    "\\end{threeparttable}",
    "",
  ].join("\n");
}

const line = (cells: readonly string[]): string => `${cells.join(" & ")} \\\\`;

/** The line of group names, and the line of rules below them; columns without a group have neither. */
function groupLines(columns: readonly ResultColumn[]): string[] {
  const spans = groupSpans(columns);
  if (spans.every(({ group }) => group === "")) return [];
  const names = spans.map(({ group, count }) => `\\multicolumn{${count}}{c}{${escapeLatex(group)}}`);
  // Column 1 has the names.
  let next = 2;
  const rules = spans.flatMap(({ group, count }) => {
    const first = next;
    next += count;
    return group === "" ? [] : [`\\cmidrule(lr){${first}-${next - 1}}`];
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

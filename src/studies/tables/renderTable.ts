// A table as data, and its renderings in Markdown and LaTeX.
import { markdownTable as alignTable } from "markdown-table";
import stringWidth from "string-width";
import { oneLine } from "../../base/index.js";

/** A table as data: one row per name, its cells by column. */
export interface ResultTable {
  /** Stands above the table. */
  readonly title?: string;
  readonly heading: string;
  readonly names: readonly string[];
  /** How many of the last names stand apart from the others. */
  readonly apart?: number;
  readonly columns: readonly ResultColumn[];
  /** Sentences to print below the table. */
  readonly notes: readonly string[];
}

export interface ResultColumn {
  readonly title: string;
  /** Whether short tables leave it out. */
  readonly isMinor?: boolean;
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

/** Makes columns none of whose cells is the best. @param rows what the rows of the table are about */
export const plainColumns =
  <Row>(rows: readonly Row[]) =>
  (title: string, textOf: (row: Row) => string, align: ResultColumn["align"] = "right"): ResultColumn => ({
    ...{ title, align },
    cells: rows.map((row) => plain(textOf(row))),
  });

/** The lines, with one more before those that stand apart. */
export const withBreak = (lines: readonly string[], apart = 0, between: string): string[] =>
  apart === 0 ? [...lines] : lines.toSpliced(lines.length - apart, 0, between);

/** A table in GitHub's Markdown, the best of each column in bold, with its title and a list of notes. */
export function markdownTable(table: ResultTable): string {
  const header = [table.heading, ...table.columns.map(({ title }) => title)].map(escapeMarkdown);
  const rows = rowsOf(table, escapeMarkdown, (text) => `**${text}**`);
  const alignments = ["left", ...table.columns.map(({ align }) => align)];
  const lines = alignTable([header, ...rows], { align: alignments, stringLength: stringWidth });
  const notes = table.notes.map((note) => `- ${escapeMarkdown(note)}\n`);
  const title = table.title === undefined ? "" : `**${escapeMarkdown(table.title)}**\n\n`;
  return `${title}${lines}\n${notes.length > 0 ? "\n" : ""}${notes.join("")}`;
}

/** The names and cells of each row. */
function rowsOf({ names, columns }: ResultTable, escaped: (text: string) => string, bold: (text: string) => string) {
  const textOf = ({ text, best }: ResultCell) => (best ? bold(escaped(text)) : escaped(text));
  return names.map((name, row) => [escaped(name), ...columns.map(({ cells }) => textOf(cells[row]!))]);
}

/** Escapes characters that begin markup, code, HTML or another cell. */
export const escapeMarkdown = (text: string): string => oneLine(text).replace(/[\\`*_{}[\]<>#|~$&]/g, "\\$&");

/**
 * A table as LaTeX's `tabular` with rules of the package `booktabs`, the best of each column in bold; with notes in the `tablenotes` of
 * `threeparttable`, in which the tabular then is.
 */
export function latexTable(table: ResultTable): string {
  const rows = rowsOf(table, escapeLatex, (text) => `\\textbf{${text}}`);
  const titles = [table.heading, ...table.columns.map(({ title }) => title)].map(escapeLatex);
  const { title } = table;
  const above =
    title === undefined ? [] : [line([`\\multicolumn{${titles.length}}{l}{${escapeLatex(title)}}`]), "\\midrule"];
  const tabular = [
    `\\begin{tabular}{l${table.columns.map(({ align }) => align.charAt(0)).join("")}}`,
    "\\toprule",
    ...above,
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

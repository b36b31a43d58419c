import { oneLine } from "../common/messages.js";
import { type Column, groupSpans, type Table } from "./table.js";

/** A table as LaTeX's `tabular` with the rules of the package `booktabs`, the best of each column in bold; notes are comments. */
export function latexTable(table: Table): string {
  const rows = table.names.map((name, row) => [
    escapeLatex(name),
    ...table.columns.map(({ cells }) => {
      const { text, best } = cells[row]!;
      return best ? `\\textbf{${escapeLatex(text)}}` : escapeLatex(text);
    }),
  ]);
  const titles = [table.heading, ...table.columns.map(({ title }) => title)].map(escapeLatex);
  return [
    "% \\usepackage{booktabs}",
    ...table.notes.map((note) => `% ${oneLine(note)}`),
    `\\begin{tabular}{l${table.columns.map(({ align }) => align.charAt(0)).join("")}}`,
    "\\toprule",
    ...groupLines(table.columns),
    line(titles),
    "\\midrule",
    ...rows.map(line),
    "\\bottomrule",
    "\\end{tabular}",
    "",
  ].join("\n");
}

const line = (cells: readonly string[]): string => `${cells.join(" & ")} \\\\`;

/** The names of groups over their columns, each with a rule beneath. */
function groupLines(columns: readonly Column[]): string[] {
  const spans = groupSpans(columns);
  if (spans.every(({ group }) => group === "")) return [];
  const names = spans.map(({ group, count }) => `\\multicolumn{${count}}{c}{${escapeLatex(group)}}`);
  // The names of rows are column 1.
  let next = 2;
  const rules = spans.map(({ count }) => {
    const first = next;
    next += count;
    return `\\cmidrule(lr){${first}-${next - 1}}`;
  });
  return [line(["", ...names]), rules.join(" ")];
}

const REPLACED: Readonly<Record<string, string>> = {
  // Two hyphens in a row would be drawn as a dash.
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
  // After the end of a line these two would be taken for its options.
  "[": "{[}",
  "*": "{*}",
};

/** Text as itself: LaTeX's own characters escaped, signs that its older fonts lack as mathematics. */
const escapeLatex = (text: string): string =>
  oneLine(text).replace(/-(?=-)|[\\~^<>|±−–↓[*&%$#_{}]/g, (sign) => REPLACED[sign] ?? `\\${sign}`);

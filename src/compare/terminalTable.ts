import stringWidth from "string-width";
import { oneLine } from "../common/messages.js";
import { groupSpans, type Table } from "./table.js";

const GAP = "  ";

/** What the best cells are marked with; the others leave its place empty, so that figures stand under each other. */
const MARK = "*";

/** A table as lines of text, aligned by how wide characters are on a screen: names to the left, cells to the right. */
export function terminalTable(table: Table): string {
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
  const best = table.columns.some(({ cells }) => cells.some((cell) => cell.best)) ? [`${MARK} the best mean`] : [];
  const notes = [...best, ...table.notes.map(oneLine)];
  return [...head, ...rows, ...(notes.length > 0 ? ["", ...notes] : [])].map((line) => line.trimEnd()).join("\n");
}

interface Span {
  readonly group: string;
  readonly count: number;
}

/** As wide as the widest text; the first column of a group wider where its name has no room over all of them. */
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

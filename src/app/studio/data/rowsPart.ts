/** The rows of a file as a table of those in sight, and what they can be limited to. */
import { formatCount, oneLine } from "../../../base/index.js";
import { html, type Markup, short } from "../../../studies/report/index.js";
import { addressOf, type Current } from "./current.js";
import { labelBars, lengthFigure } from "./figures.js";
import { FLAG, type Flag } from "./indexData.js";
import { type Row, readRows } from "./rowFile.js";
import type { Filter, RowIndex } from "./rowIndex.js";

/** The most columns of the table, and characters of a cell. */
const COLUMNS = 12;
const CHARACTERS = 160;
/** Rows that a page has from the beginning. */
const FIRST = 40;
/** The most rows of an answer. */
const MOST_ROWS = 400;

/** The filters for what is wrong, in their order. */
const FAULTS: readonly (readonly [flag: Flag, text: string, mark: string])[] = [
  ["refused", "refused by the task", "refused"],
  ["unlabeled", "without a label", "no label"],
  ["duplicate", "with the input of an earlier row", "duplicate"],
  ["empty", "with an empty text", "empty"],
  ["leaked", "also in another split", "leaked"],
];

export async function rowsPart(current: Current & { index: RowIndex }, path: string, filter: Filter): Promise<Markup> {
  const { name, index } = current;
  const count = index.countOf(filter);
  const rows = await tableRows(current, path, filter, 0, FIRST);
  return html`<section id="rows" aria-labelledby="rows-title"><h2 id="rows-title">${formatCount(index.count)} ${index.count === 1 ? "row" : "rows"}</h2>
${index.data.fault === undefined ? undefined : html`<p class="note" id="fault">The first row that training would refuse: ${index.data.fault}</p>`}
<div class="filters">${filtersPart(name, index, filter)}${labelBars(name, index, filter)}${lengthFigure(index)}</div>
${count === 0 ? html`<p class="note">No rows.</p>` : table(current, filter, count, rows)}</section>`;
}

function filtersPart(name: string, index: RowIndex, chosen: Filter): Markup {
  const link = (filter: Filter, text: string): Markup =>
    html`<li><a id="filter-${filter}" href="${addressOf(name, { filter })}"${filter === chosen ? html` aria-current="true"` : undefined}>${text} <span class="count">${formatCount(index.countOf(filter))}</span></a></li>`;
  const faults = FAULTS.map(([flag, text]) => link(flag, text));
  return html`<nav class="filter" aria-label="Rows to show"><h3>Show</h3><ul>${link("all", "all rows")}${link("longest", "longest first")}${faults}</ul></nav>`;
}

function table(
  { name, index, part }: Current & { index: RowIndex },
  filter: Filter,
  count: number,
  rows: Markup,
): Markup {
  const columns = shownColumns(index);
  const address = `/data/rows?${new URLSearchParams({ file: name, filter })}`;
  const left = index.data.columns.length - columns.length;
  const id = `table-${name}-${filter}-${part ?? ""}-${columns.join("-")}`.replace(/[^\w-]/g, "_");
  return html`<div class="rows-box" id="rows-box" data-rows="${address}" data-count="${count}" data-version="${index.data.starts.at(-1)}" tabindex="0" role="region" aria-label="Rows of ${name}">
<div class="spacer" id="spacer-${id}" data-kept></div>
<table id="${id}" data-kept aria-rowcount="${count + 1}"><thead><tr><th scope="col">line</th>${columns.map((column) => html`<th scope="col">${oneLine(short(column, 40))}</th>`)}<th scope="col">words</th><th scope="col">marks</th></tr></thead><tbody>${rows}</tbody></table></div>
${left > 0 ? html`<p class="note">${left} more columns: open a row by its line to see them.</p>` : undefined}`;
}

const shownColumns = ({ data }: RowIndex): readonly string[] => data.columns.slice(0, COLUMNS);

/** Rows of the list that a filter makes, as rows of the table. @param to one after the last */
export async function tableRows(
  { name, index }: Pick<Current, "name"> & { readonly index: RowIndex },
  path: string,
  filter: Filter,
  from: number,
  to: number,
): Promise<Markup> {
  const list = index.rowsOf(filter);
  const first = Math.max(0, Math.min(from, index.count));
  const last = Math.min(to, first + MOST_ROWS, list?.length ?? index.count);
  const numbers = Array.from({ length: Math.max(0, last - first) }, (_, i) => list?.[first + i] ?? first + i);
  const rows = await readRows(path, index, numbers);
  return html`${rows.map((row, i) => tableRow(name, index, row, first + i, filter))}`;
}

function tableRow(name: string, index: RowIndex, row: Row, place: number, filter: Filter): Markup {
  const { number, line, values, text } = row;
  const cells = values
    ? shownColumns(index).map((column) => html`<td>${cellText(values[column])}</td>`)
    : [html`<td colspan="${shownColumns(index).length}">${oneLine(short(text, CHARACTERS))}</td>`];
  const flags = index.data.flags[number]!;
  const marks = FAULTS.filter(([flag]) => (flags & FLAG[flag]) !== 0).map(([, , mark]) => mark);
  const link = addressOf(name, { ...(filter !== "all" && { filter }), row: String(line) });
  return html`<tr aria-rowindex="${place + 2}"><th scope="row"><a href="${link}">${line}</a></th>${cells}<td>${formatCount(index.data.words[number]!)}</td><td>${marks.join(", ")}</td></tr>`;
}

function cellText(value: unknown): string {
  if (value === undefined || value === null) return "";
  return oneLine(short(typeof value === "string" ? value : JSON.stringify(value), CHARACTERS));
}

/** One row with all its columns, to be mended: the mended rows are a new file, which is used in place of the old one. */
import { BidoraError, formatCount, oneLine } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { parseObject } from "../../../tasks/data/index.js";
import { form, hidden } from "../page.js";
import type { Form } from "../screen.js";
import type { Studio } from "../workspace.js";
import { addressOf, type Current, indexedOf, partOf, ROWS, stemOf } from "./current.js";
import { asSent, lineJson, shownJson, sourcesIn, withBreaksOf, withValues } from "./jsonLine.js";
import { keepStep, newestOf } from "./mended.js";
import { type Row, readRows, writeWithRow } from "./rowFile.js";
import type { Filter, RowIndex } from "./rowIndex.js";
import { RowReader } from "./rowReader.js";

/** The most labels that are suggested. */
const SUGGESTIONS = 100;

interface Shown {
  readonly path: string;
  /** The file that was asked for: an earlier one, before rows in it were mended. */
  readonly asked: string;
  /** The row's line in the file. */
  readonly line: number;
  readonly filter: Filter;
  /** A form whose values are shown again. */
  readonly refused: Form | undefined;
}

export async function editPart(
  current: Current & { index: RowIndex },
  { path, asked, line, filter, refused }: Shown,
): Promise<Markup> {
  const { name, index, part } = current;
  const [row] = await readRows(path, index, [index.rowOfLine(line)]);
  const values = row!.values;
  const names = values ? [...new Set([...index.data.columns, ...Object.keys(values)])] : [];
  const sources = values && sourcesIn(row!.text);
  const fields = names.map((column, i) =>
    valueField(current, column, { i, value: values?.[column], source: sources?.get(column), refused }),
  );
  const text = html`<div class="field"><label for="value-0">The line, which can’t be read as a JSON object yet</label><textarea id="value-0" name="line">${refused?.text("line") ?? row!.text}</textarea></div>`;
  return html`<section id="row" aria-labelledby="row-title"><h2 id="row-title">Line ${formatCount(line)} of ${name}</h2>
${asked === name ? undefined : html`<p class="note" id="newest">Rows of ${asked} have been mended: this is the same line of ${name}, which has all of them.</p>`}
<p class="buttons">${neighbors(current, row!, filter)}</p>
${form("/data/row", [
  hidden({ file: refused?.optional("file") ?? name, row: line }),
  ...(values ? fields : [text]),
  html`<p class="help">The rows with this change become a new file beside ${name}${part === undefined ? `. The run does not use ${name}, and will not use the new file by itself.` : ", which the run then uses in its place."}</p><div class="buttons"><button id="button-row">Save as a new file</button></div>`,
])}</section>`;
}

/** Links to the rows before and behind it in the list that it was opened from. */
function neighbors({ name, index }: Current & { index: RowIndex }, { number }: Row, filter: Filter): readonly Markup[] {
  const list = index.rowsOf(filter);
  const place = list ? list.indexOf(number) : number;
  const more = filter === "all" ? {} : { filter };
  const link = (at: number, text: string): Markup | undefined => {
    const row = place < 0 ? undefined : list ? list[at] : at;
    if (row === undefined || row < 0 || row >= index.count) return undefined;
    return html`<a id="${text === "Next row" ? "next" : "previous"}-row" href="${addressOf(name, { ...more, row: String(index.data.lines[row]!) })}">${text}</a>`;
  };
  const all = html`<a id="all-rows" href="${addressOf(name, more)}">All rows</a>`;
  return [all, link(place - 1, "Previous row"), link(place + 1, "Next row")].filter((part) => part !== undefined);
}

interface Value {
  readonly i: number;
  readonly value: unknown;
  /** As it is written; undefined if the row has none. */
  readonly source: string | undefined;
  readonly refused: Form | undefined;
}

function valueField(
  { reading, index }: Current & { index: RowIndex },
  column: string,
  { i, value, source, refused }: Value,
): Markup {
  const isText = source === undefined || typeof value === "string";
  const before = source === undefined ? "" : typeof value === "string" ? value : shownJson(source);
  const shown = refused?.text(`value:${column}`) ?? before;
  const isOneLine = !/[\r\n]/.test(before + shown);
  const isLabel = reading.labelColumn?.includes(column) ?? false;
  const labels = isLabel && isText && isOneLine ? (index.labels ?? []).slice(0, SUGGESTIONS) : [];
  const own = html`id="value-${i}" name="value:${column}"`;
  const input =
    labels.length > 0
      ? html`<input ${own} value="${shown}" list="labels-${i}"><datalist id="labels-${i}">${labels.map(({ label }) => html`<option value="${label}"></option>`)}</datalist>`
      : html`<textarea ${own} rows="${Math.min(12, 1 + Math.ceil(shown.length / 80))}">${"\n"}${shown}</textarea>`;
  return html`<div class="field"><label for="value-${i}">${oneLine(column)}${isText ? undefined : " (JSON)"}</label>${input}</div>`;
}

/** Writes the mended rows, and uses them where the old ones were used. @throws BidoraError for a row that is refused */
export async function saveRow(studio: Studio, form: Form): Promise<string> {
  const opened = form.required("file", "a file");
  const line = Number(form.required("row", "a row"));
  const { folder, runFile } = studio;
  // Rows may have been mended since the form was opened: those stay.
  const name = newestOf(folder, opened);
  const [, seen] = await rowAt(studio, opened, line);
  const [current, before] = await rowAt(studio, name, line);
  const changes = seen.values && before.values ? changesIn(seen, form) : undefined;
  const text = changes
    ? withValues(before.text, changes)
    : form
        .text("line")
        .trim()
        .replace(/\s*[\r\n]+\s*/g, " ");
  if (text === before.text) return addressOf(name, { row: String(line) });
  await checkRow(current, before, text);
  const fresh = folder.freeName("rows", stemOf(folder, name), ROWS);
  const place = { path: folder.at("rows", name), index: current.index, row: before.number };
  await writeWithRow(place, text, folder.at("rows", fresh));
  keepStep(folder, name, fresh);
  const part = partOf(folder, runFile.read(), name);
  if (part !== undefined) runFile.change({ [part]: folder.as("rows", fresh) });
  studio.news.changed("rows");
  return addressOf(fresh, { row: String(line) });
}

async function rowAt(studio: Studio, name: string, line: number): Promise<[Current & { index: RowIndex }, Row]> {
  const current = await indexedOf(studio, name);
  const { index } = current;
  const [row] = await readRows(studio.folder.at("rows", name), index, [index.rowOfLine(line)]);
  return [current, row!];
}

/** The columns whose values are not those that the form was opened with, as JSON. */
function changesIn({ values = {}, text }: Row, form: Form): ReadonlyMap<string, string> {
  const changes = new Map<string, string>();
  const sources = sourcesIn(text);
  for (const column of form.names("value:")) {
    const value = values[column] ?? (sources.has(column) ? null : "");
    const typed = asSent(form.text(`value:${column}`));
    if (typeof value === "string") {
      if (typed !== asSent(value)) changes.set(column, JSON.stringify(withBreaksOf(value, typed)));
      continue;
    }
    const json = checkedJson(column, typed);
    if (json !== lineJson(sources.get(column)!)) changes.set(column, json);
  }
  return changes;
}

function checkedJson(column: string, typed: string): string {
  try {
    return lineJson(typed);
  } catch (error) {
    throw new BidoraError(
      "STUDIO",
      `The value of ${oneLine(column)} is not valid JSON (${oneLine((error as Error).message)}): texts need quotes in it.`,
    );
  }
}

/** @throws BidoraError for what is no JSON object, and for a row that the task would refuse, unless it was refused before */
async function checkRow(
  { name, reading, index }: Current & { index: RowIndex },
  before: Row,
  text: string,
): Promise<void> {
  parseObject(name, before.line, text);
  const reader = new RowReader(name, { ...reading, columns: index.data.columns });
  const [[was], [is]] = [await reader.read([before.text], [before.line]), await reader.read([text], [before.line])];
  if (is?.fault !== undefined && was?.fault === undefined) throw new BidoraError("STUDIO", is.fault);
}

/** The list of a run's wrong validation rows, a page at a time, each with a way to mend it. */
import { basename, dirname, extname } from "node:path";
import { formatNumber } from "../../../base/index.js";
import { html, type Markup, type WrongRow } from "../../../studies/report/index.js";
import { facts } from "../page.js";
import { addressOf, type Choice } from "./choice.js";
import type { FinishedRun } from "./finishedRuns.js";
import { lossOf, type WrongRows, wrongRowsOf } from "./wrongRows.js";

const PER_PAGE = 20;

/** Of the first chosen run; the others' by a link. @param folder the studio's */
export async function wrongPart(choice: Choice, folder: string): Promise<Markup> {
  const named = choice.query.get("wrong");
  const run = choice.runs.find(({ name }) => name === named) ?? choice.runs[0]!;
  const found = await wrongRowsOf(run, folder);
  return html`<section id="wrong" aria-labelledby="wrong-title"><h2 id="wrong-title">What ${run.name} got wrong</h2>${othersPart(choice, run)}${found ? listPart(choice, run, found) : NONE}</section>`;
}

const NONE = html`<p>The run had no validation rows, or has not kept its predictions.</p>`;

function othersPart(choice: Choice, shown: FinishedRun): Markup | undefined {
  const others = choice.runs.filter((run) => run !== shown);
  if (others.length === 0) return undefined;
  const links = others.map(
    ({ name }) => html` <a href="${addressOf(choice, { wrong: name, page: undefined })}#wrong">${name}</a>`,
  );
  return html`<p class="note">The same of${links}</p>`;
}

function listPart(choice: Choice, run: FinishedRun, found: WrongRows): Markup {
  const { rows, of } = found;
  if (rows.length === 0) return html`<p>All ${of} validation rows are right.</p>`;
  const pages = Math.ceil(rows.length / PER_PAGE);
  const asked = Number(choice.query.get("page") ?? 1);
  const page = Number.isInteger(asked) ? Math.min(Math.max(asked, 1), pages) : 1;
  const from = (page - 1) * PER_PAGE;
  const items = rows.slice(from, from + PER_PAGE).map((row) => html`<li>${rowPart(row, found.changed)}</li>`);
  const order = rows.some(({ at }) => lossOf(at) !== undefined) ? "the largest loss first" : "the worst first";
  return html`<p>${rows.length} of ${of} validation rows, ${order}. Mended rows are together in a new file, which the next run uses if it would use the old one.</p>${changedPart(found)}<ol class="wrong" start="${from + 1}">${items}</ol>${pagesPart(choice, run, page, pages)}`;
}

const changedPart = ({ changed }: WrongRows): Markup | undefined =>
  changed.size === 0
    ? undefined
    : html`<p class="note" id="wrong-changed">${[...changed].join(", ")} has changed since the run: rows in it may be others than those that were predicted.</p>`;

function rowPart({ at, facts: said }: WrongRow, changed: ReadonlySet<string>): Markup {
  const loss = lossOf(at);
  const list = facts([...said, ["Loss", loss === undefined ? undefined : formatNumber(loss)]]);
  const place = `${basename(at.file)} line ${at.line}`;
  const note = changed.has(at.file) ? html` <span class="note">(has changed)</span>` : undefined;
  return html`<p class="text">${at.text ?? "(no text)"}</p>${list}<p class="place">${place}${note} ${mendLink(at.file, at.line, place)}</p>`;
}

/** Rows of the studio's own files can be mended on the screen Data. */
const mendLink = (file: string, line: number, place: string): Markup | undefined =>
  dirname(file) === "rows" && extname(file) === ".jsonl"
    ? html`<a href="/data?${new URLSearchParams({ file: basename(file), row: String(line) }).toString()}">Mend<span class="hidden"> ${place}</span></a>`
    : undefined;

function pagesPart(choice: Choice, { name }: FinishedRun, page: number, pages: number): Markup | undefined {
  if (pages === 1) return undefined;
  const link = (to: number, text: string) =>
    to < 1 || to > pages
      ? undefined
      : html`<a href="${addressOf(choice, { wrong: name, page: to })}#wrong">${text}</a>`;
  return html`<nav class="pages" aria-label="Pages of wrong rows">${link(page - 1, "Earlier")} <span>Page ${page} of ${pages}</span> ${link(page + 1, "Later")}</nav>`;
}

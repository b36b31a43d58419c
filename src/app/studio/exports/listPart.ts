/** The list of exports: what is in each, how to take it, and how it was made. */
import { formatNumber } from "../../../base/index.js";
import { html, type Markup, row, table } from "../../../studies/report/index.js";
import { finishedRun } from "../answers/finishedRuns.js";
import { commandLine } from "../commands.js";
import { button, code, facts, idOf, sizeText } from "../page.js";
import type { Studio } from "../workspace.js";
import { bytesOf, type Exported, exportedIn, type Making } from "./exported.js";
import { installPart } from "./installing.js";
import { runtimeFiles, WEB_PAGES, whyNoPage } from "./webPage.js";
import { MOST_ZIPPED } from "./zip.js";

export async function listPart(studio: Studio): Promise<Markup> {
  const all = await exportedIn(studio.folder);
  const items = all.map(
    (one) => html`<li id="export-${idOf(one.name)}" class="export">${exportPart(studio, one)}</li>`,
  );
  const content = all.length === 0 ? html`<p>Nothing was made yet.</p>` : html`<ul class="exports">${items}</ul>`;
  return html`<section id="exports" aria-labelledby="exports-title"><h2 id="exports-title">Made so far</h2>${content}</section>`;
}

function exportPart(studio: Studio, one: Exported): Markup {
  const { name, making, files, path } = one;
  const bytes = bytesOf(files);
  const link =
    bytes > MOST_ZIPPED
      ? html`<p class="note">It is too large for a ZIP archive of 4 GiB: copy the folder ${path}.</p>`
      : html`<a class="button" href="/take/zip/${name}" download>Download ${name}.zip</a>`;
  const list = files.map((file) => html`<li>${file.name} <span class="note">${sizeText(file.bytes)}</span></li>`);
  const about = facts([
    ["Folder", `exports/${name}`],
    ["Size", sizeText(bytes)],
    ["Run", making && (isOfEarlier(studio, making) ? `${making.run}, an earlier run of this name` : making.run)],
    ["Error of the weights’ change", making?.relativeError?.toPrecision(3)],
  ]);
  const command =
    making &&
    html`<details><summary>Command</summary>${code(commandLine(making.words), `made-${idOf(name)}`)}</details>`;
  return html`<h3>${name}</h3>${about}${making && dtypesPart(name, making)}<div class="buttons">${link}${removePart(name)}</div>${pagePart(studio, one)}<details><summary>${files.length} files</summary><ul>${list}</ul></details>${command}`;
}

/** Whether the run was removed, and another one has its name. */
function isOfEarlier({ folder }: Studio, { run, ended }: Making): boolean {
  const now = finishedRun(folder, run);
  return ended !== undefined && now !== undefined && now.time !== ended;
}

/** A row for each graph, with its error and its scores if they were measured. */
function dtypesPart(name: string, { files }: Making): Markup | undefined {
  if (!files) return undefined;
  const isMeasured = files.some(({ error }) => error !== undefined);
  const scores = Object.keys(files[0]?.metrics ?? {});
  const rows = files.map(({ dtype, bytes, error, metrics = {} }) =>
    row(dtype, [
      sizeText(bytes),
      ...(isMeasured ? [error === undefined ? "" : error.toPrecision(3)] : []),
      ...scores.map((score) => formatNumber(metrics[score] ?? Number.NaN)),
    ]),
  );
  const head = ["Data type", "Size", ...(isMeasured ? ["Largest error"] : []), ...scores];
  return table(`The graphs of ${name}, and what their data types cost`, head, rows, { hidesCaption: true });
}

const removePart = (name: string): Markup =>
  html`<details class="remove" id="remove-${idOf(name)}"><summary>Remove …</summary>${button("/take/remove", `Remove exports/${name} for good`, { name }, `remove-${name}`)}</details>`;

/** For ONNX graphs: the page that runs them in a browser. */
function pagePart(studio: Studio, { name, making }: Exported): Markup | undefined {
  if (making?.kind !== "onnx") return undefined;
  const { folder } = studio;
  const run = isOfEarlier(studio, making) ? undefined : finishedRun(folder, making.run);
  const refusal = run && whyNoPage(run);
  if (refusal !== undefined) return html`<p class="note">In a browser: ${refusal}</p>`;
  const zip = html`<a class="button" href="/take/page/${name}" download>Download the web page</a>`;
  if (runtimeFiles(folder.path))
    return html`<div class="buttons"><a class="button" href="${WEB_PAGES}${name}/">Open it in this browser</a>${zip}</div><p class="note">The page runs the model on the reader’s own machine. Its folder can be put on any web server of static files.</p>`;
  return html`<div class="buttons">${zip}</div>${installPart(studio, idOf(name))}`;
}

/** Where rows come from: files that are dropped or chosen, texts that are pasted, and the files that are there. */
import { existsSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { sizeOf } from "../../../../base/index.js";
import { html, type Markup } from "../../../../studies/report/index.js";
import { button, form, hidden, sizeText, textField, workPart } from "../../page.js";
import type { Form } from "../../screen.js";
import type { Studio } from "../../workspace.js";
import { addressOf, filesOf, partOf } from "../current.js";
import { FORMATS } from "./uploads.js";

/** @param refused a form whose text is shown again */
export function importPart({ rows, works }: Studio, refused: Form | undefined): Markup {
  const going = rows.imports.map((name) => workPart(name, works.get(name)));
  return html`<section id="import" aria-labelledby="import-title"><h2 id="import-title">Add rows</h2>
<div class="drop" data-drop="/data/upload"><label for="rows-file">Drop files here, or choose them</label>
<input type="file" id="rows-file" multiple accept="${FORMATS.join(",")}" aria-describedby="rows-file-help">
<p class="help" id="rows-file-help">CSV, TSV, JSONL, Parquet, Excel (.xlsx, its first sheet), CoNLL or CoNLL-U. Nothing leaves this machine.</p>
${headerBox("drop", false)}</div>
${going}
${pastePart(refused?.has("pasted") ? pastedIn(refused) : rows.lostPaste)}</section>`;
}

/** A choice that stays until the page is left. */
const headerBox = (where: string, isChosen: boolean): Markup =>
  html`<label class="choice" for="rows-first-${where}"><input type="checkbox" id="rows-first-${where}" name="rowsFirst" value="on" data-kept${isChosen ? html` checked` : undefined}> The first line is a row already, and does not name the columns</label>`;

type Pasted = NonNullable<Studio["rows"]["lostPaste"]>;

const pastedIn = (form: Form): Omit<Pasted, "source"> => ({
  text: form.text("pasted"),
  name: form.optional("name") ?? "pasted",
  hasHeader: !form.has("rowsFirst"),
});

/** @param again a text that is shown again, since it was refused or could not be read */
const pastePart = (again: Omit<Pasted, "source"> | undefined): Markup =>
  html`<details id="paste"${again && html` open`}><summary>Paste rows instead</summary>
${form("/data/paste", [
  html`<div class="field"><label for="field-pasted">Rows as CSV, TSV or JSONL</label><textarea id="field-pasted" name="pasted" rows="6" spellcheck="false" aria-describedby="field-pasted-help">${again && html`${"\n"}${again.text}`}</textarea><p class="help" id="field-pasted-help">From a spreadsheet: select the cells, copy, and paste them here.</p></div>`,
  textField({ name: "name", label: "Name of the file" }, again?.name ?? "pasted"),
  headerBox("paste", again?.hasHeader === false),
  html`<div class="buttons"><button id="button-paste">Add these rows</button></div>`,
])}</details>`;

/** For a file in the folder whose rows have not been read. */
export const readPart = (name: string): Markup =>
  form("/data/convert", [
    hidden({ file: name }),
    headerBox("convert", false),
    html`<div class="buttons"><button id="button-convert">Read its rows</button></div>`,
  ]);

const USES = { train: "training", validation: "validation", test: "test" } as const;

/** The files of rows, and what the run uses them for. */
export function filesPart(studio: Studio, chosen: string | undefined): Markup {
  const { folder, runFile } = studio;
  const run = runFile.read();
  const parts = filesOf(studio).map((name) => {
    const part = partOf(folder, run, name);
    const size = sizeText(sizeOf(folder.at("rows", name)));
    return html`<li id="file-${name}"><a href="${addressOf(name)}"${name === chosen ? html` aria-current="page"` : undefined}>${name}</a> <span class="place">${size}</span>${part && html` <strong class="mark">${USES[part]}</strong>`}</li>`;
  });
  return html`<nav id="files" class="files" aria-label="Files of rows"><ul>${parts}</ul></nav>${trainElsewhere(studio)}`;
}

/** Says where the run's training rows are if they are none of the files. */
function trainElsewhere({ folder, runFile }: Studio): Markup | undefined {
  const { train } = runFile.read();
  if (train === undefined) return undefined;
  const path = resolve(folder.path, train);
  const isThere = existsSync(path);
  if (isThere && dirname(path) === join(folder.path, "rows")) return undefined;
  return html`<p class="note" id="train-elsewhere">The next run trains on ${train}, which ${isThere ? "is not in rows/" : "does not exist"}.</p>`;
}

/** What a file can be used for that the run does not use for it. */
export function usePart(name: string, part: keyof typeof USES | undefined, hasTrain: boolean): Markup {
  const buttons = (Object.keys(USES) as (keyof typeof USES)[])
    .filter((use) => use !== part && part !== "train" && (use === "train" || hasTrain))
    .map((use) => button("/data/use", `Use as ${USES[use]} rows`, { file: name, part: use }, `use-${use}`));
  return html`<div class="buttons" id="uses">${buttons}</div>`;
}

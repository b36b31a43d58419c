/** The models to choose from. */

import { html, type Markup } from "../../../studies/report/index.js";
import type { ModelChoice } from "../../init/models.js";
import { button, form, sizeText, textField, workPart } from "../page.js";
import type { Studio } from "../workspace.js";
import { DOWNLOAD } from "./download.js";
import { type FoundModel, modelsAt, modelsInCache, modelsNear } from "./found.js";

/** With more models than this, a search helps. */
const FEW = 8;

interface ListParts {
  readonly chosen: string | undefined;
  readonly suggestion: ModelChoice | undefined;
  /** A path that was typed. */
  readonly path: string | undefined;
  /** A name of the Hub that was typed and refused. */
  readonly typed: string | undefined;
}

export function modelList(studio: Studio, { chosen, suggestion, path, typed }: ListParts): Markup {
  const found = [...modelsNear(studio.folder.path), ...modelsInCache()];
  const entry = (model: FoundModel) => listed(model, chosen);
  const search = html`<div class="field search" data-kept id="model-search-field"><label for="model-search">Search by words</label><input id="model-search" type="search" data-filter="model-list" autocomplete="off"></div>`;
  return html`<section id="choose" aria-labelledby="choose-title"><h2 id="choose-title">Choose a model</h2>${suggested(suggestion, found, chosen)}
<h3>On this machine</h3>${found.length > FEW ? search : undefined}${found.length > 0 ? html`<ul class="models" id="model-list">${found.map(entry)}</ul>` : html`<p class="note">There is no model in the Hub’s cache, and none in the studio’s folder.</p>`}
${atPath(studio, path, chosen)}
<h3>From the Hub</h3>${form("/model/download", [html`<div class="line">${textField({ name: "name", label: "Name of a model", help: "Like org/name. It is downloaded into the Hub’s cache, which Python’s programs share." }, typed, html`autocomplete="off" spellcheck="false" required`)}<button>Download and choose</button></div>`])}${workPart(DOWNLOAD, studio.works.get(DOWNLOAD))}</section>`;
}

function listed({ name, place, bytes }: FoundModel, chosen: string | undefined): Markup {
  const isChosen = name === chosen;
  const choose = isChosen
    ? html`<small>chosen</small>`
    : button("/model/choose", "Choose", { model: name }, `choose-${name}`);
  return html`<li data-words="${name} ${place}"><span${isChosen ? html` class="chosen"` : undefined}>${name} <small>${sizeText(bytes)}, ${place}</small></span>${choose}</li>`;
}

function suggested(
  suggestion: ModelChoice | undefined,
  found: readonly FoundModel[],
  chosen: string | undefined,
): Markup | undefined {
  if (!suggestion || suggestion.model === chosen) return undefined;
  const { model, why } = suggestion;
  const isHere = found.some(({ name }) => name === model);
  const take = isHere
    ? button("/model/choose", `Choose ${model}`, { model }, "choose-suggested")
    : button("/model/download", `Download and choose ${model}`, { name: model }, "download-suggested");
  return html`<p id="suggested">For these rows: ${model}, ${why}.</p><div class="buttons">${take}</div>`;
}

/** A folder or a GGUF file elsewhere. */
function atPath(studio: Studio, path: string | undefined, chosen: string | undefined): Markup {
  const found = path === undefined ? [] : modelsAt(studio.folder.path, path);
  const none = html`<p class="note" role="status">There is no model folder and no GGUF file at ${path}, nor in it.</p>`;
  const list = html`<ul class="models">${found.map((model) => listed(model, chosen))}</ul>`;
  return html`<form method="get" action="/model" class="line">${textField({ name: "path", label: "Another folder, or a GGUF file", help: "A model’s folder, or one with models in it." }, path, html`autocomplete="off" spellcheck="false"`)}<button>Look there</button></form>${path === undefined ? undefined : found.length > 0 ? list : none}`;
}

/** A row as the model sees it. */
import { html, type Markup } from "../../../studies/report/index.js";
import type { PreviewPart, PreviewRow } from "../../commands/preview.js";

/** How targets are named. */
export interface Naming {
  /** Of the model's outputs, in order. */
  readonly labels: readonly string[] | undefined;
  /** Whether a target has a 1 for each label that applies. */
  readonly isMultiLabel: boolean;
}

/** @param index of the row on the page */
export function rowPart(row: PreviewRow, index: number, naming: Naming): Markup {
  const { line, length, parts, cut } = row;
  const isNamed = parts.some(({ name }) => name !== undefined);
  const tokens = parts.map((part) =>
    isNamed ? html`<p class="tokens">${tokensOf(part)}</p>` : html`<span>${tokensOf(part)}</span>`,
  );
  const lost =
    cut === undefined ? undefined : html`<span class="cut">${cut} ${cut === 1 ? "token" : "tokens"} cut off</span>`;
  const text = isNamed
    ? html`${tokens}${lost && html`<p class="tokens">${lost}</p>`}`
    : html`<p class="tokens">${tokens}${lost}</p>`;
  return html`<div class="row-shown" id="row-${index}"><h3>Line ${line}, ${length} tokens${targetText(row, naming)}</h3>${text}</div>`;
}

function tokensOf({ text, bearsLoss, name }: PreviewPart): Markup {
  const title = name === undefined ? undefined : html`<span class="part-name">${name}</span>`;
  return html`${title}${bearsLoss ? html`<mark><span class="hidden">trained: </span>${text}</mark>` : text}`;
}

/** Of a target with many parts, only the beginning is shown. */
const MOST_TARGET = 200;

/** What a row without marks is trained to give. */
function targetText({ target }: PreviewRow, naming: Naming): Markup | undefined {
  if (target === undefined) return undefined;
  const said = JSON.stringify(named(target, naming));
  return html`, <span class="target">target: ${said.length > MOST_TARGET ? `${said.slice(0, MOST_TARGET)} …` : said.replace(/^"(.*)"$/, "$1")}</span>`;
}

/** Labels by their names. */
function named(target: unknown, { labels, isMultiLabel }: Naming): unknown {
  if (!labels) return target;
  if (typeof target === "number") return labels[target] ?? target;
  if (!Array.isArray(target)) return target;
  // A token without a label of its own has a number below 0.
  return isMultiLabel ? labels.filter((_, i) => target[i] === 1) : target.map((id) => labels[id as number] ?? "–");
}

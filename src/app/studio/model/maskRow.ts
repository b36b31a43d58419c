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
  const { line, length, cut } = row;
  const lost =
    cut === undefined ? undefined : html`<span class="cut">${cut} ${cut === 1 ? "token" : "tokens"} cut off</span>`;
  return html`<div class="row-shown" id="row-${index}"><h3>Line ${line}, ${length} tokens${targetText(row, naming)}</h3>${textOf(row, naming, lost)}</div>`;
}

/** The tokens, in parts with names one below the other. */
function textOf(row: PreviewRow, naming: Naming, lost: Markup | undefined): Markup {
  const { parts, tokens } = row;
  if (tokens) return html`<p class="tokens labeled">${labeledTokens(row, tokens, naming)}${lost}</p>`;
  if (parts.every(({ name }) => name === undefined))
    return html`<p class="tokens">${parts.map((part) => html`<span>${tokensOf(part)}</span>`)}${lost}</p>`;
  const named = parts.map((part) => html`<p class="tokens">${tokensOf(part)}</p>`);
  return html`${named}${lost && html`<p class="tokens">${lost}</p>`}`;
}

function tokensOf({ text, bearsLoss, name }: PreviewPart): Markup {
  const title = name === undefined ? undefined : html`<span class="part-name">${name}</span>`;
  return html`${title}${bearsLoss ? html`<mark><span class="hidden">trained: </span>${text}</mark>` : text}`;
}

/** Of a target with many parts, only the beginning is shown. */
const MOST_TARGET = 200;

/** Tokens with the label that each is trained to get, below it; the others are only read. */
const labeledTokens = ({ target }: PreviewRow, tokens: readonly string[], { labels = [] }: Naming): Markup[] =>
  tokens.map((token, i) => {
    const label = labels[(target as readonly number[])[i]!];
    return label === undefined ? html`<span>${token}</span> ` : html`<mark>${token}<small>${label}</small></mark> `;
  });

/** What a row without marks is trained to give. */
function targetText({ target, tokens }: PreviewRow, naming: Naming): Markup | undefined {
  if (target === undefined || tokens) return undefined;
  const said = JSON.stringify(named(target, naming));
  return html`, <span class="target">target: ${said.length > MOST_TARGET ? `${said.slice(0, MOST_TARGET)} …` : said.replace(/^"(.*)"$/, "$1")}</span>`;
}

/** Labels by their names. */
function named(target: unknown, { labels, isMultiLabel }: Naming): unknown {
  if (!labels) return target;
  if (typeof target === "number") return labels[target] ?? target;
  if (!isMultiLabel || !Array.isArray(target)) return target;
  return labels.filter((_, i) => target[i] === 1);
}

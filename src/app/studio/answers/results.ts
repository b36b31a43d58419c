/** Predictions as people read them: bars, marks in the text, orders. */
import { formatNumber } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import type { Prediction } from "../../../use/inference/index.js";
import type { FinishedRun } from "./finishedRuns.js";
import type { Row } from "./inputs.js";
import type { Nearest } from "./protocol.js";

/** What one model predicted for the rows that were asked. */
export interface Predicted {
  readonly run: FinishedRun;
  readonly rows: readonly Row[];
  readonly predictions: readonly Prediction[];
}

export const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;

/** A list of bars with their values. @param share of the whole width, from 0 to 1 */
const bars = (
  list: readonly { readonly name: string | Markup; readonly value: string; readonly share: number }[],
): Markup =>
  html`<ol class="bars">${list.map(
    ({ name, value, share }) =>
      html`<li><span class="what">${name}</span> <span class="value">${value}</span><span class="bar" aria-hidden="true"><span style="width:${(100 * Math.min(1, Math.max(0, share))).toFixed(1)}%"></span></span></li>`,
  )}</ol>`;

/** exp(x) over its sum. */
function softmax(logits: readonly number[]): number[] {
  const most = Math.max(...logits);
  const powers = logits.map((logit) => Math.exp(logit - most));
  const sum = powers.reduce((a, b) => a + b, 0);
  return powers.map((power) => power / sum);
}

const byShare = (labels: readonly string[], shares: readonly number[]) =>
  labels
    .map((name, i) => ({ name, share: shares[i] ?? 0, value: percent(shares[i] ?? 0) }))
    .sort((a, b) => b.share - a.share);

function classes({ run, predictions: [prediction] }: Predicted): Markup {
  const shares = softmax((prediction?.logits ?? []) as readonly number[]);
  return html`<p class="said">${prediction?.label}</p>${bars(byShare(run.metadata.labels ?? [], shares))}`;
}

function labelSet({ run, predictions: [prediction] }: Predicted): Markup {
  const said = prediction?.labels?.join(", ") || "none of the labels";
  return html`<p class="said">${said}</p>${bars(byShare(run.metadata.labels ?? [], prediction?.scores ?? []))}`;
}

const value = ({ predictions: [prediction] }: Predicted): Markup =>
  html`<p class="said">${formatNumber(prediction?.value ?? Number.NaN)}</p>`;

/** The answer marked in its context; places are in code points. */
function answer({ rows: [row], predictions: [prediction] }: Predicted): Markup {
  const { answer = "", start = 0, end = 0, score = 0 } = prediction ?? {};
  if (answer === "") return html`<p class="said">No answer is in the context (${percent(score)}).</p>`;
  const context = Array.from(String(row?.context));
  const part = (from: number, to?: number) => context.slice(from, to).join("");
  return html`<p class="said">${answer} <span class="value">${percent(score)}</span></p><p class="marked">${part(0, start)}<mark>${part(start, end)}</mark>${part(end)}</p>`;
}

/** A stretch of words with one name; no name for words outside of all. */
interface Span {
  readonly name: string | undefined;
  readonly words: readonly string[];
}

/** Words in a row of one entity are one span (B-X begins it, I-X goes on); where labels are no entities, each word is its own. */
export function spansOf(words: readonly string[], labels: readonly (string | null)[]): Span[] {
  const spans: { name: string | undefined; words: string[] }[] = [];
  for (const [i, word] of words.entries()) {
    const label = labels[i] ?? "O";
    const [, prefix, entity] = /^([BIES])-(.+)$/.exec(label) ?? [];
    const name = label === "O" ? undefined : (entity ?? label);
    const last = spans.at(-1);
    const goesOn = last && last.name === name && (name === undefined || prefix === "I" || prefix === "E");
    if (goesOn) last.words.push(word);
    else spans.push({ name, words: [word] });
  }
  return spans;
}

function entities({ rows: [row], predictions: [prediction] }: Predicted): Markup {
  const spans = spansOf(row?.tokens as readonly string[], prediction?.labels ?? []);
  const parts = spans.map(({ name, words }) =>
    name === undefined
      ? html`${words.join(" ")} `
      : html`<mark>${words.join(" ")} <span class="name">${name}</span></mark> `,
  );
  const none = spans.some(({ name }) => name !== undefined) ? undefined : html`<p class="note">No word is marked.</p>`;
  return html`<p class="marked">${parts}</p>${none}`;
}

/** Texts in the order of their scores. @param key of the text in its row @param of the score in the prediction */
const ranked =
  (key: string, of: "score" | "reward") =>
  ({ rows, predictions }: Predicted): Markup => {
    const scored = rows.map((row, i) => ({ name: String(row[key]), score: Number(predictions[i]?.[of]) }));
    const scores = scored.map(({ score }) => score);
    const [least, most] = [Math.min(...scores), Math.max(...scores)];
    const list = scored.sort((a, b) => b.score - a.score);
    return bars(
      list.map(({ name, score }) => ({
        name,
        value: formatNumber(score),
        share: most > least ? (score - least) / (most - least) : 1,
      })),
    );
  };

export function nearest({ texts, searched, of }: Nearest): Markup {
  const list = texts.map(({ text, line, cosine }) => ({
    name: html`${text} <span class="place">line ${line}</span>`,
    value: cosine.toFixed(3),
    share: cosine,
  }));
  const among = searched < of ? `the first ${searched} of ${of} different texts` : `${of} different texts`;
  return html`${bars(list)}<p class="note">Cosines, among ${among} of the training rows.</p>`;
}

export const RESULTS: Readonly<
  Record<Exclude<FinishedRun["task"], "causal-lm" | "preference" | "embedding">, (of: Predicted) => Markup>
> = {
  "sequence-classification": classes,
  "multi-label-classification": labelSet,
  regression: value,
  "token-classification": entities,
  "question-answering": answer,
  reranking: ranked("document", "score"),
  reward: ranked("completion", "reward"),
};

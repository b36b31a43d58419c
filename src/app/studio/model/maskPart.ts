/** The first rows of the next run, as `bidora preview` shows them. */
import { formatCount } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import type { PreviewRow } from "../../commands/preview.js";
import type { LengthSummary } from "../../commands/previewLengths.js";
import { facts, workPart } from "../page.js";
import type { Studio } from "../workspace.js";
import { keyOf, whatIsMissing } from "./estimatePart.js";
import { failedFinding } from "./failedFinding.js";
import { type Naming, rowPart } from "./maskRow.js";
import { taskKindOf } from "./taskKind.js";

/** How many rows can be shown. */
export const ROW_COUNTS = ["5", "20", "50"] as const;

const PREVIEW = "preview";
/** Pages with different counts ask the same question. */
const MOST = ROW_COUNTS.at(-1)!;

/** The last line of `preview --json`. */
interface Summary {
  readonly lengths: LengthSummary;
  readonly labels?: readonly string[];
}

/** Starts the command if it has to, and shows what it says. @throws UsageError for a run.yaml that commands refuse too */
export function maskPart(studio: Studio, count: string): Markup {
  const file = studio.runFile.read();
  const missing = whatIsMissing(studio, file);
  if (missing) return missing;
  const answer = studio.findings.ask({
    name: PREVIEW,
    title: "Reading the rows",
    key: keyOf(studio, file),
    keyNow: () => keyOf(studio, studio.runFile.read()),
    words: ["preview", "run.yaml", "--limit", MOST],
  });
  if (answer.state !== "done")
    return html`<section id="waiting">${workPart(PREVIEW, studio.works.get(PREVIEW)) ?? html`<p class="note">The rows are read in a moment.</p>`}${failedFinding(PREVIEW, answer)}</section>`;
  const { lengths, labels } = answer.values.at(-1) as Summary;
  const naming = { labels, isMultiLabel: taskKindOf(file.task) === "multi-label-classification" };
  return html`${lengthPart(lengths)}${rowsPart(answer.values.slice(0, -1).slice(0, Number(count)) as PreviewRow[], naming)}`;
}

function rowsPart(rows: readonly PreviewRow[], naming: Naming): Markup {
  const hasMarks = rows.some(({ parts, tokens }) => tokens !== undefined || parts.some(({ bearsLoss }) => bearsLoss));
  const legend = hasMarks
    ? html`<p class="legend-line"><mark>Underlined</mark>: what the loss is computed on. The rest is only read.</p>`
    : html`<p class="legend-line">The model reads all of a row’s tokens, and learns to predict the target.</p>`;
  return html`<section id="rows" aria-labelledby="rows-title"><h2 id="rows-title">Rows</h2>${legend}${rows.map((row, i) => rowPart(row, i, naming))}</section>`;
}

function lengthPart(found: LengthSummary): Markup {
  const { rows, median, p95, most, tokens, trained } = found;
  const list = facts([
    ["Rows of tokens", formatCount(rows)],
    ["Tokens", formatCount(tokens)],
    ["Trained on", trained === undefined ? undefined : `${formatCount(trained)} (${percent(trained, tokens)} %)`],
    ["Half of the rows have up to", `${Math.round(median)} tokens`],
    ["95 % have up to", `${Math.round(p95)} tokens`],
    ["The longest has", `${most} tokens`],
  ]);
  return html`<section id="lengths" aria-labelledby="lengths-title"><h2 id="lengths-title">Lengths</h2>${list}${cutNote(found)}</section>`;
}

function cutNote({ rows, maxLength, cut, cutTokens }: LengthSummary): Markup {
  if (cut === 0) return html`<p class="note">No row is cut off at the maximum length of ${maxLength} tokens.</p>`;
  return html`<p class="problem">${formatCount(cut)} of ${formatCount(rows)} rows (${percent(cut, rows)} %) are cut off at the maximum length of ${maxLength} tokens, and lose ${formatCount(cutTokens)} tokens: <a href="/train">raise it among the settings</a>, if the model takes more.</p>`;
}

const percent = (part: number, whole: number): string => Number(((100 * part) / whole).toPrecision(2)).toString();

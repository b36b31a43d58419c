/** The queue, and the runs that have ended. */
import { formatCount, own } from "../../../base/index.js";
import { html, type Markup } from "../../../studies/report/index.js";
import { addressWith, button } from "../page.js";
import type { RunEntry } from "./entries.js";
import type { RunQueue } from "./queue.js";
import { scoreText } from "./runFacts.js";
import { type OfRows, rowsNote } from "./scoredRows.js";

/** The runs that wait, in order. */
export function queuePart(queue: RunQueue, waiting: readonly RunEntry[]): Markup | undefined {
  if (waiting.length === 0) return undefined;
  const goOn = queue.current
    ? undefined
    : html`<p>Nothing runs now.</p><div class="buttons">${button("/train/go", "Go on", {}, "go")}</div>`;
  const problem = queue.problem === undefined ? undefined : html`<p class="problem" role="alert">${queue.problem}</p>`;
  return html`<section id="queue" aria-labelledby="queue-title"><h2 id="queue-title">Queue</h2>${problem}${goOn}<ol class="rows queue">${waiting.map(waitingItem)}</ol></section>`;
}

function waitingItem({ name, folder, state }: RunEntry, place: number): Markup {
  const what =
    state === "elsewhere"
      ? `process ${folder.writer} is writing it`
      : folder.hasState
        ? "goes on from its last state"
        : undefined;
  const up = place > 0 ? button("/train/up", `Move ${name} up`, { name }, `up-${name}`) : undefined;
  return html`<li id="waiting-${name}"><a href="${addressWith("/train", { run: name })}">${name}</a> ${what}<div class="buttons">${up}${button("/train/leave", `Take ${name} out`, { name }, `leave-${name}`)}</div></li>`;
}

/** The runs that have ended, those that changed last first. */
export function runsPart(entries: readonly RunEntry[], chosen: string | undefined): Markup | undefined {
  if (entries.length === 0) return undefined;
  const listed = entries.flatMap(({ state, log }) => (state === "done" && log ? [log.ofRows] : []));
  const items = entries.map(
    (entry) =>
      html`<li id="ended-${entry.name}"><a href="${addressWith("/train", { run: entry.name })}"${entry.name === chosen ? html` aria-current="true"` : undefined}>${entry.name}</a> <strong>${WORDS[entry.state]}</strong> ${summaryOf(entry, listed)}</li>`,
  );
  return html`<section id="runs" aria-labelledby="runs-title"><h2 id="runs-title">Runs</h2><ul class="rows">${items}</ul></section>`;
}

const WORDS: Readonly<Record<RunEntry["state"], string>> = {
  running: "Running",
  elsewhere: "Running elsewhere",
  waiting: "Waiting",
  done: "Done",
  failed: "Failed",
  stopped: "Stopped",
};

/** @param listed the finished runs beside it */
function summaryOf({ state, folder: { metrics }, log, failure }: RunEntry, listed: readonly OfRows[]): string {
  if (state === "failed") return failure?.message ?? "";
  if (state === "stopped")
    return log ? `at step ${formatCount(log.step)} of ${formatCount(log.steps)}` : "before its first step";
  if (state !== "done") return "";
  const main = log?.judgedBy?.metric ?? Object.keys(metrics)[0] ?? "";
  const shown = [`test_${main}`, main, ...Object.keys(metrics)].find((name) => own(metrics, name) !== undefined);
  const rows = shown === undefined || !log ? undefined : rowsNote(log.ofRows, listed, shown);
  const score = shown === undefined ? [] : [[scoreText(shown, metrics, log), rows].filter(Boolean).join(" ")];
  return [log?.method, ...score].filter((part) => part !== undefined).join(" · ");
}

/** What a comparison would cost, and which difference it can show. */
import { formatBytes, formatCount, formatNumber, formatSeconds, words } from "../../../base/index.js";
import type { ExpectedCosts } from "../../../studies/comparison/index.js";
import { counted, html, type Markup, row, table } from "../../../studies/report/index.js";
import { button, facts, form, hidden } from "../page.js";
import type { WorkState } from "../works.js";
import { type AskedComparison, type ComparisonFields, hiddenFields } from "./asked.js";
import { ESTIMATE } from "./comparisons.js";
import { workingPart } from "./workingPart.js";

/** @param costs undefined as long as they are not estimated @param work the estimate's */
export function costPart(
  typed: ComparisonFields,
  asked: AskedComparison,
  costs: ExpectedCosts | undefined,
  work: WorkState | undefined,
): Markup {
  const fields = hiddenFields(typed);
  const what = costs
    ? costsOf(costs, asked)
    : html`<p>${counted(asked.methods.length * asked.seeds, "run")}${asked.rates.length > 0 ? ", and those that try the learning rates" : ""}. An estimate trains a few steps with each method, and says how long all of it takes.</p>`;
  // The estimate holds the comparison's folder.
  const buttons =
    work?.state === "running"
      ? undefined
      : [costs ? undefined : button("/compare/estimate", "Estimate", fields, "estimate"), startButton(fields)];
  return html`<section id="costs" aria-labelledby="costs-title"><h2 id="costs-title">What it costs</h2>${what}${workingPart(ESTIMATE, work)}<div class="buttons">${buttons}</div></section>`;
}

const startButton = (fields: Readonly<Record<string, string>>): Markup =>
  form(
    "/compare/start",
    [hidden(fields), html`<button class="first" id="button-start">Start</button>`],
    html`class="inline"`,
  );

function costsOf({ pairs, seconds, peakMemoryBytes, detectable }: ExpectedCosts, { seeds }: AskedComparison): Markup {
  const runs = pairs.reduce((sum, pair) => sum + pair.runs, 0);
  const total = facts([
    ["Runs", formatCount(runs)],
    ["Time", `about ${formatSeconds(seconds)}`],
    ["Memory at once", formatBytes(peakMemoryBytes)],
  ]);
  const rows = pairs.map(({ method, isOfGrid, runs, trainedParameters, steps, seconds, peakMemoryBytes }) =>
    row(isOfGrid ? `${method}, trying rates` : method, [
      formatCount(runs),
      formatCount(trainedParameters),
      formatCount(steps),
      formatSeconds(seconds),
      formatBytes(peakMemoryBytes),
    ]),
  );
  const head = ["Method", "Runs", "Trained parameters", "Steps", "Time of one", "Peak memory"];
  return html`${total}${table("Estimated costs of each method", head, rows)}${Object.entries(detectable).map(([task, difference]) => powerText(task, difference, seeds))}`;
}

function powerText(task: string, difference: number | null, seeds: number): Markup {
  const why =
    seeds < 2
      ? "a test over seeds needs at least 2 seeds"
      : "it takes an earlier comparison on this task, with at least 2 methods and 2 seeds, to know how much scores vary";
  return difference === null
    ? html`<p class="note">Which difference it can show is not known: ${why}.</p>`
    : html`<p class="note">${words(task)}: a difference of ${formatNumber(difference)} in the main metric is found in 80 % of such comparisons (p &lt; 0.05, before Holm’s correction).</p>`;
}

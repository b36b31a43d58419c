import { formatBytes, formatCount, formatNumber, formatSeconds } from "../common/format.js";
import { own } from "../common/own.js";
import type { JsonValue, MachineFacts, Versions } from "../train/events.js";
import { metricNames, metricTitle } from "./figures.js";
import { html, type Markup } from "./html.js";
import { runMark } from "./legend.js";
import type { Run } from "./runs.js";

/** Stands where there is no value. */
export const NOTHING = "–";

/** Final metrics and cost, a row a run. */
export function resultsTable(runs: readonly Run[]): Markup {
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(finalMetrics(run))))];
  const head = [
    "Run",
    ...metrics.map(metricTitle),
    "Trained parameters",
    "Share",
    "Steps",
    "Time",
    "Tokens/s",
    "Peak memory",
  ];
  const rows = runs.map((run) => {
    const found = finalMetrics(run);
    const cells = [...metrics.map((name) => number(found[name], formatNumber)), ...cost(run)];
    return html`<tr><th scope="row">${runMark(run)} ${run.name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
  });
  return table("Results at the end of each run", head, rows);
}

/** Metrics as the run gave them at its end, else of its last evaluation. */
const finalMetrics = (run: Run): Readonly<Record<string, number>> =>
  run.done?.metrics ?? run.of("evaluation").at(-1)?.metrics ?? {};

function cost(run: Run): string[] {
  const steps = run.of("step");
  const sum = (read: (step: (typeof steps)[number]) => number) => steps.reduce((total, step) => total + read(step), 0);
  const parameters = run.start?.parameters;
  const seconds = sum((step) => step.seconds);
  return [
    number(parameters?.trained, formatCount),
    number(parameters && (100 * parameters.trained) / parameters.total, (share) => `${share.toFixed(2)} %`),
    number(steps.at(-1)?.step, formatCount),
    number(run.done?.seconds, formatSeconds),
    number(sum((step) => step.tokens) / seconds, (rate) => formatCount(Math.round(rate))),
    number(run.done?.peakMemoryBytes, formatBytes),
  ];
}

/** Logs are read as they are: what is no finite number there shows as nothing. */
function number(value: unknown, format: (value: number) => string): string {
  return typeof value === "number" && Number.isFinite(value) ? format(value) : NOTHING;
}

/** Every evaluation in figures, for those who want the numbers behind the curves. */
export function evaluationsTable(runs: readonly Run[]): Markup | undefined {
  const names = metricNames(runs);
  const rows = runs.flatMap((run) =>
    run.of("evaluation").map(({ step, phase, metrics }) => {
      const cells = [phase, number(step, formatCount), ...names.map((name) => number(metrics[name], formatNumber))];
      return html`<tr><th scope="row">${runMark(run)} ${run.name}</th>${cells.map((cell) => html`<td>${cell}</td>`)}</tr>`;
    }),
  );
  if (rows.length === 0) return undefined;
  const head = ["Run", "Phase", "Step", ...names.map(metricTitle)];
  return html`<details><summary>All evaluations as a table</summary>${table("Metrics at each evaluation", head, rows)}</details>`;
}

/** Settings under their keys: first those that set the runs apart, a column a run, then what they share. */
export function settingsTables(runs: readonly Run[]): Markup | undefined {
  const facts = runs.map(({ start }) => start?.settings ?? {});
  const keys = [...new Set(facts.flatMap(Object.keys))];
  const rows = keys.map((key) => ({
    name: html`<code>${key}</code>`,
    values: facts.map((one) => valueText(own(one, key))),
  }));
  return comparison("Settings", runs, rows);
}

const MACHINE: Readonly<Record<keyof MachineFacts | keyof Versions, string>> = {
  system: "System",
  processor: "Processor",
  cores: "Cores",
  threads: "Threads",
  memoryBytes: "Memory",
  device: "Device",
  blas: "BLAS",
  fastBfloat16: "Fast bfloat16",
  bidora: "bidora",
  node: "Node.js",
  libtorch: "libtorch",
};

/** Machine and versions, in the same two parts. */
export function machineTables(runs: readonly Run[]): Markup | undefined {
  const facts = runs.map(({ start }): Facts => ({ ...start?.machine, ...start?.versions }));
  const rows = Object.entries(MACHINE).map(([key, name]) => ({
    name,
    values: facts.map((one) => (key === "memoryBytes" ? number(one[key], formatBytes) : valueText(one[key]))),
  }));
  return comparison("Machine and versions", runs, rows);
}

type Facts = Readonly<Record<string, JsonValue | undefined>>;

/** One fact of all runs. */
interface Row {
  readonly name: string | Markup;
  readonly values: readonly string[];
}

function comparison(title: string, runs: readonly Run[], rows: readonly Row[]): Markup | undefined {
  const differs = ({ values }: Row) => values.some((value) => value !== values[0]);
  const [apart, shared] = [rows.filter(differs), rows.filter((row) => !differs(row))];
  if (rows.every(({ values }) => values.every((value) => value === NOTHING))) return undefined;
  const toRow = ({ name, values }: Row) =>
    html`<tr><th scope="row">${name}</th>${values.map((value) => html`<td>${value}</td>`)}</tr>`;
  const head = ["", ...runs.map(({ name }) => name)];
  return html`<section><h2>${title}</h2>${[
    apart.length > 0 ? table("Where the runs differ", head, apart.map(toRow), "text") : "",
    apart.length > 0 && shared.length > 0 ? html`<h3>Shared by all runs</h3>` : "",
    html`<dl>${shared.map(({ name, values }) => html`<div><dt>${name}</dt><dd>${values[0]}</dd></div>`)}</dl>`,
  ]}</section>`;
}

function valueText(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map((one) => valueText(one)).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

/** Rows of `<tr>` under their titles, which scroll sideways where there is no room. */
export function table(caption: string, head: readonly string[], rows: readonly Markup[], kind = "figures"): Markup {
  const titles = head.map((title) => html`<th scope="col">${title}</th>`);
  return html`<div class="scroll" tabindex="0" role="region" aria-label="${caption}"><table class="${kind}"><caption>${caption}</caption><thead><tr>${titles}</tr></thead><tbody>${rows}</tbody></table></div>`;
}

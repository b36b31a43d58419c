// The tables of a report: results, evaluations, settings and machine.
import { formatBytes, formatCount, formatNumber, formatSeconds, own, someOf } from "../../base/index.js";
import type { JsonValue, MachineFacts, RowCounts, Versions } from "../../base/records/index.js";
import { type CurveSubject, evenlyChosen } from "./figures/curves.js";
import { marked } from "./figures/palette.js";
import { metricTitle, positiveLabelOf } from "./figures/trainingFigures.js";
import { collapsed, factList, formatted, html, type Markup, NOTHING, row, section, table } from "./html.js";
import { finalMetrics, metricNames, metricsByRows, type Run } from "./runs.js";

/** Final metrics and cost, one row for each run. */
export function resultsTable(runs: readonly Run[]): Markup {
  const metrics = [...new Set(runs.flatMap((run) => Object.keys(finalMetrics(run))))];
  const costs = ["Trained parameters", "Share", "Steps", "Time", "Tokens/s", "Peak memory"];
  const head = ["Run", ...metrics.map((name) => metricTitle(name, positiveLabelOf(runs))), ...costs];
  const rows = runs.map((run) => {
    const found = finalMetrics(run);
    return row(marked(run), [...metrics.map((name) => formatted(own(found, name), formatNumber)), ...cost(run)]);
  });
  return table("Results at the end of each run", head, rows, { hidesCaption: true });
}

function cost(run: Run): string[] {
  const steps = run.of("step");
  const sum = (read: (step: (typeof steps)[number]) => number) => steps.reduce((total, step) => total + read(step), 0);
  const parameters = run.start?.parameters;
  const seconds = sum((step) => step.seconds);
  return [
    formatted(parameters?.trained, formatCount),
    formatted(parameters && (100 * parameters.trained) / parameters.total, (share) => `${share.toFixed(2)} %`),
    formatted(steps.at(-1)?.step, formatCount),
    formatted(run.seconds, formatSeconds),
    formatted(sum((step) => step.tokens) / seconds, (rate) => formatCount(Math.round(rate))),
    formatted(run.done?.peakMemoryBytes, formatBytes),
  ];
}

/** The most rows in the table of evaluations. */
const MOST_EVALUATIONS = 1000;

/** All evaluations, or evenly spaced ones of very many: the numbers behind the curves. */
export function evaluationsTable(runs: readonly Run[]): Markup | undefined {
  const names = metricNames(runs);
  const rows = runs.flatMap((run) =>
    run
      .of("evaluation")
      .flatMap((event) =>
        metricsByRows(run, event).map(([rows, metrics]) =>
          row(marked(run), [
            event.phase,
            formatted(event.step, formatCount),
            rows,
            ...names.map((name) => formatted(own(metrics, name), formatNumber)),
          ]),
        ),
      ),
  );
  if (rows.length === 0) return undefined;
  const shown = evenlyChosen(rows, MOST_EVALUATIONS);
  const which = shown.length < rows.length ? ` (${shown.length} of ${formatCount(rows.length)})` : "";
  const titles = names.map((name) => (name === "loss" ? "Loss" : metricTitle(name, positiveLabelOf(runs))));
  const head = ["Run", "Phase", "Step", "Rows", ...titles];
  return collapsed("All evaluations as a table", table(`Metrics at each evaluation${which}`, head, shown));
}

/** Settings by key: first those that differ, with one column for each subject, then the shared ones. */
export function settingsTables(subjects: readonly CurveSubject[], leftOut: readonly string[] = []): Markup | undefined {
  const facts = subjects.map(({ runs }) => runs.map(actingSettings));
  const keys = [...new Set(facts.flatMap((own) => own.flatMap(Object.keys)))].filter((key) => !leftOut.includes(key));
  const rows = keys.map((key) => ({
    name: html`<code>${breakable(key)}</code>`,
    values: facts.map((each) => together(each.map((settings) => valueText(own(settings, key))))),
  }));
  return comparison({ id: "settings", title: "Settings" }, subjects, rows);
}

/** A key that can wrap between its words. */
const breakable = (key: string): Markup[] =>
  key.split(/(?=[A-Z])/).map((word, i) => (i === 0 ? html`${word}` : html`<wbr>${word}`));

/** The settings that had an effect in the run. */
const actingSettings = ({ start }: Run): Facts =>
  Object.fromEntries(Object.entries(start?.settings ?? {}).filter(([key]) => !start?.idle?.includes(key)));

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

const ROWS: Readonly<Record<keyof RowCounts, string>> = {
  train: "Training rows",
  upper: "Upper level's rows",
  validation: "Validation rows",
  test: "Test rows",
};

/** Rows, parameters, machine and versions, split in two like the settings. */
export function machineTables(subjects: readonly CurveSubject[]): Markup | undefined {
  const starts = subjects.map(({ runs }) => runs.flatMap(({ start }) => start ?? []));
  const values = (read: (start: NonNullable<Run["start"]>) => string) => starts.map((each) => together(each.map(read)));
  const rows = [
    ...Object.entries(ROWS).map(([key, name]) => ({
      name,
      values: values((start) => formatted(start.rows?.[key as keyof RowCounts], formatCount)),
    })),
    { name: "Processes", values: values(({ processes }) => formatted(processes, formatCount)) },
    { name: "Rows per step", values: values(({ rowsPerStep }) => formatted(rowsPerStep, formatCount)) },
    { name: "Parameters", values: values(({ parameters }) => formatted(parameters.total, formatCount)) },
    { name: "Trained parameters", values: values(({ parameters }) => formatted(parameters.trained, formatCount)) },
    ...Object.entries(MACHINE).map(([key, name]) => ({
      name,
      values: values((start) => {
        const facts: Facts = { ...start.machine, ...start.versions };
        return key === "memoryBytes" ? formatted(facts[key], formatBytes) : valueText(facts[key]);
      }),
    })),
  ];
  return comparison({ id: "machine", title: "Rows, machine and versions" }, subjects, rows);
}

type Facts = Readonly<Record<string, JsonValue | undefined>>;

/** The distinct values of several runs, or the first few of them. */
function together(values: readonly string[]): string {
  return values.length === 0 ? NOTHING : someOf([...new Set(values)], 4, "", " · ");
}

/** One fact of all subjects. */
interface Row {
  readonly name: string | Markup;
  readonly values: readonly string[];
}

function comparison(
  { id, title }: { readonly id: string; readonly title: string },
  subjects: readonly CurveSubject[],
  rows: readonly Row[],
): Markup | undefined {
  const differs = ({ values }: Row) => values.some((value) => value !== values[0]);
  const [apart, shared] = [rows.filter(differs), rows.filter((one) => !differs(one))];
  if (rows.every(({ values }) => values.every((value) => value === NOTHING))) return undefined;
  const head = ["", ...subjects.map(({ name }) => name)];
  const differing = apart.map(({ name, values }) => row(name, values));
  return section(id, title, [
    apart.length > 0
      ? table(`Where they differ (${title.toLowerCase()})`, head, differing, { kind: "text" })
      : undefined,
    apart.length > 0 && shared.length > 0 ? html`<h3>Shared by all</h3>` : undefined,
    shared.length > 0 ? factList(shared.map(({ name, values }) => [name, values[0]])) : undefined,
  ]);
}

function valueText(value: JsonValue | undefined): string {
  if (value === undefined || value === null) return NOTHING;
  if (typeof value === "boolean") return value ? "yes" : "no";
  if (Array.isArray(value)) return value.map((one) => valueText(one)).join(", ");
  return typeof value === "object" ? JSON.stringify(value) : String(value);
}

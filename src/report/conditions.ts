import { own } from "../common/collections.js";
import type { ComparisonLog } from "../files/comparisonFolder.js";
import { html, type Markup } from "./html.js";
import { section } from "./layout.js";
import { counted, foldedIfLong, NOTHING, row, table } from "./table.js";

/** Under which conditions a comparison was made: what every run might use up, and what was tried and chosen. */
export function conditionsSection({ conditions, methods, tasks, runs }: ComparisonLog): Markup {
  const { budget, seeds, jobs, grid } = conditions;
  const facts = [
    ["Methods", methods.join(", ")],
    ["Tasks", tasks.map(({ name }) => name).join(", ")],
    ["Runs", String(runs.length)],
    ["Seeds", Array.isArray(seeds) ? seeds.join(", ") : NOTHING],
    ["Budget of each run", budgetText(budget)],
    ["Runs at once", typeof jobs === "number" ? String(jobs) : NOTHING],
    ...others(conditions),
  ] as const;
  const list = html`<dl>${facts.map(([name, value]) => html`<div><dt>${name}</dt><dd>${value}</dd></div>`)}</dl>`;
  const points = Array.isArray(grid) ? grid.filter(isPoint) : [];
  return section("conditions", "Conditions", [
    list,
    points.length > 0 ? gridTable(points, { methods, tasks, runs }) : undefined,
  ]);
}

type Point = Readonly<Record<string, unknown>>;
const isPoint = (value: unknown): value is Point =>
  typeof value === "object" && value !== null && !Array.isArray(value);

function budgetText(budget: unknown): string {
  if (!isPoint(budget)) return "as its settings say";
  return `${String(budget.amount)} ${String(budget.of)}`;
}

/** What a later version may add. */
const KNOWN: ReadonlySet<string> = new Set(["budget", "seeds", "jobs", "grid"]);
const others = (conditions: ComparisonLog["conditions"]): (readonly [string, string])[] =>
  Object.entries(conditions)
    .filter(([key]) => !KNOWN.has(key))
    .map(([key, value]) => [key, typeof value === "object" ? JSON.stringify(value) : String(value)]);

/** The values that were tried of each setting, and those that the runs which count were given. */
function gridTable(
  points: readonly Point[],
  { methods, tasks, runs }: Pick<ComparisonLog, "methods" | "tasks" | "runs">,
): Markup {
  const keys = [...new Set(points.flatMap(Object.keys))];
  const tried = keys.map((key) => `${key}: ${[...new Set(points.map((point) => String(own(point, key))))].join(", ")}`);
  const chosen = (task: string, method: string, key: string): string => {
    const own_ = runs.filter((run) => run.task === task && run.method === method);
    const values = own_.flatMap(({ log }) => settingsIn(log)[key] ?? []);
    return [...new Set(values.map(String))].join(", ") || NOTHING;
  };
  const rows = tasks.flatMap(({ name: task }) =>
    methods
      .filter((method) => runs.some((run) => run.task === task && run.method === method))
      .map((method) => row(method, [task, ...keys.map((key) => chosen(task, method, key))])),
  );
  const about = html`<p class="note">Grid of ${counted(points.length, "point")}, each judged on rows held out of the training rows: ${tried.join("; ")}.</p>`;
  return html`${about}${foldedIfLong("Chosen from the grid", rows.length, table("Chosen from the grid", ["Method", "Task", ...keys], rows))}`;
}

function settingsIn(log: ComparisonLog["runs"][number]["log"]): Readonly<Record<string, unknown>> {
  const start = log?.events.findLast((event) => event.event === "start");
  return start?.settings ?? {};
}

// A comparison's plan, written with a hash before the first run, so that readers can see what was decided then.
import { existsSync } from "node:fs";
import { dirname, relative } from "node:path";
import { BidoraError, type CallContext, makeFolder } from "../../../base/index.js";
import {
  type FrozenPlan,
  isRunFolder,
  metricName,
  metricRows,
  type PlannedRun,
  readFrozenPlan,
  readFrozenPlanIn,
  writeFrozenPlan,
  writeFrozenPlanIn,
} from "../../../base/records/index.js";
import { resolveRun } from "../../../tasks/config/index.js";
import { versions } from "../../../training/run/index.js";
import type { Spec } from "../spec/spec.js";
import { followingKeys, tunedKeys } from "../spec/tuning.js";
import type { Budget } from "./budget.js";
import type { Cell } from "./cells.js";
import type { KnownFacts } from "./estimates.js";
import { checkStarted } from "./plan.js";

/** The tests of a comparison. Which of them it has depends on its numbers of tasks and seeds. */
const TESTS = ["two-level", "wilcoxon", "wilcoxon-tasks", "bootstrap"];

/**
 * Freezes the plan in the file that --freeze names, or reads the plan that is there, and keeps it in the comparison's folder.
 * @throws BidoraError `COMPARISON` for a plan that was changed since, or is not the one that the folder's runs were planned by
 */
export async function freezePlan(
  spec: Spec,
  cells: readonly Cell[],
  facts: KnownFacts,
  { onNote }: CallContext,
): Promise<void> {
  const { freeze: file, output } = spec;
  if (file === undefined) return;
  const planned = await checkStarted(output, cells, openKeys(spec));
  const isNew = !existsSync(file);
  if (isNew) makeFolder(dirname(file));
  const plan = isNew ? writeFrozenPlan(file, planOf(spec, cells, planned, facts)) : readFrozenPlan(file);
  keepPlan(output, plan, file);
  onNote?.(`${isNew ? "Froze the plan in" : "The frozen plan is"} ${file}, SHA-256 ${plan.sha256}.`);
}

/** The settings that a run has only once a point is chosen. */
export function openKeys({ tuning, budget }: Pick<Spec, "tuning" | "budget">): string[] {
  const tuned = tunedKeys(tuning);
  return [...tuned, ...followingKeys(tuned, budget && budgetText(budget))];
}

const budgetText = ({ of, amount }: Budget): string => `${of}=${amount}`;

/** Keeps a plan in the comparison's folder. @throws BidoraError `COMPARISON` if it has another */
export function keepPlan(output: string, plan: FrozenPlan, file: string): void {
  const known = readFrozenPlanIn(output);
  if (known && known.sha256 !== plan.sha256)
    throw new BidoraError(
      "COMPARISON",
      `The runs in ${output} have the frozen plan ${known.sha256}, and --freeze ${file} is ${plan.sha256}: give the file of the former, or another --output.`,
    );
  if (!known) writeFrozenPlanIn(output, plan);
}

function planOf(
  { variants, seeds, dataSeeds, tasks, tuning, budget, margin, pairs, output }: Spec,
  cells: readonly Cell[],
  planned: Readonly<Record<string, PlannedRun>>,
  facts: KnownFacts,
): Omit<FrozenPlan, "sha256"> {
  const { bidora, libtorch } = versions();
  return {
    methods: variants.map(({ name }) => name),
    seeds,
    ...(dataSeeds.length > 0 && { dataSeeds }),
    tasks: tasks.map(({ name, mainMetric }) => {
      const { settings } = cells.find(({ task }) => task === name)!;
      const { metric = null } = facts.reported(resolveRun(settings)) ?? {};
      return { name, metric: metric && mainMetric ? metricName(mainMetric, metricRows(metric)) : metric };
    }),
    tests: [...TESTS, ...(margin === undefined ? [] : ["equivalence"])],
    ...(pairs && { pairs }),
    ...(margin !== undefined && { margin }),
    ...(budget && { budget: budgetText(budget) }),
    tuned: tunedKeys(tuning),
    runs: Object.fromEntries(Object.entries(planned).map(([name, run]) => [name.replaceAll("\\", "/"), run])),
    begun: cells
      .filter(({ folder }) => isRunFolder(folder))
      .map(({ folder }) => relative(output, folder).replaceAll("\\", "/")),
    versions: { bidora, libtorch },
  };
}

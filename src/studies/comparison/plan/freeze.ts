// A comparison's plan, written with a hash before the first run, so that readers can see what was decided then.
import { existsSync } from "node:fs";
import { dirname, relative } from "node:path";
import { BidoraError, makeFolder } from "../../../base/index.js";
import {
  type FrozenPlan,
  isRunFolder,
  type PlannedRun,
  readFrozenPlan,
  readFrozenPlanIn,
  writeFrozenPlan,
  writeFrozenPlanIn,
} from "../../../base/records/index.js";
import { resolveRun } from "../../../tasks/config/index.js";
import { versions } from "../../../training/run/index.js";
import type { Spec } from "../spec/spec.js";
import type { Cell } from "./cells.js";
import type { KnownFacts } from "./estimates.js";

/** The tests of a comparison. Which of them it has depends on its numbers of tasks and seeds. */
const TESTS = ["two-level", "wilcoxon", "wilcoxon-tasks", "bootstrap"];

/**
 * Freezes the plan in a file, or reads the plan that is there, and keeps it in the comparison's folder.
 * @param planned the settings and data of each cell
 * @returns the plan, and whether it is new
 * @throws BidoraError `COMPARISON` for a plan that was changed since, or is not the one that the folder's runs were planned by
 */
export function freeze(
  file: string,
  {
    spec,
    cells,
    planned,
    facts,
  }: { spec: Spec; cells: readonly Cell[]; planned: Readonly<Record<string, PlannedRun>>; facts: KnownFacts },
): { readonly plan: FrozenPlan; readonly isNew: boolean } {
  const isNew = !existsSync(file);
  if (isNew) makeFolder(dirname(file));
  const plan = isNew ? writeFrozenPlan(file, planOf(spec, cells, planned, facts)) : readFrozenPlan(file);
  keepPlan(spec.output, plan, file);
  return { plan, isNew };
}

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
  { variants, seeds, dataSeeds, tasks, grid, budget, margin, output }: Spec,
  cells: readonly Cell[],
  planned: Readonly<Record<string, PlannedRun>>,
  facts: KnownFacts,
): Omit<FrozenPlan, "sha256"> {
  const { bidora, libtorch } = versions();
  return {
    methods: variants.map(({ name }) => name),
    seeds,
    ...(dataSeeds.length > 0 && { dataSeeds }),
    tasks: tasks.map(({ name }) => {
      const { settings } = cells.find(({ task }) => task === name)!;
      return { name, metric: facts.reported(resolveRun(settings))?.metric ?? null };
    }),
    tests: [...TESTS, ...(margin === undefined ? [] : ["equivalence"])],
    ...(margin !== undefined && { margin }),
    ...(budget && { budget: `${budget.of}=${budget.amount}` }),
    tuned: [...new Set(grid.flatMap(Object.keys))],
    runs: Object.fromEntries(Object.entries(planned).map(([name, run]) => [name.replaceAll("\\", "/"), run])),
    begun: cells
      .filter(({ folder }) => isRunFolder(folder))
      .map(({ folder }) => relative(output, folder).replaceAll("\\", "/")),
    versions: { bidora, libtorch },
  };
}

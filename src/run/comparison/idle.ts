import { UsageError } from "../../common/errors.js";
import { type RunConfig, type RunSettings, resolveRun, runOptions } from "../../config/index.js";
import { flagOf } from "../../settings/option.js";
import { withoutEffect } from "../../settings/settings.js";
import { LENGTHS } from "./budget.js";
import type { Spec } from "./spec.js";
import type { Variant } from "./variants.js";

/**
 * A setting that changes nothing in any run was meant to.
 * @throws UsageError for one that goes for all methods, one of a method's own, or one of a grid
 */
export function refuseIdle(spec: Spec): void {
  const { mustAct, perMethod, grid, variants } = spec;
  const all = runsOf(spec, variants);
  refuse(mustAct, all, "of this comparison");
  for (const [name, settings] of perMethod)
    refuse(
      settings,
      runsOf(
        spec,
        variants.filter((variant) => name === variant.name || name === variant.method),
      ),
      `of ${name}`,
    );
  const points = grid.flatMap((point) => runsOf(spec, variants, point));
  refuse(Object.assign({}, ...grid), points, "of the grid");
  refuseLengths(spec);
}

function runsOf(
  { tasks, common, perMethod }: Spec,
  variants: readonly Variant[],
  tried: RunSettings = {},
): RunConfig[] {
  return tasks.flatMap((task) =>
    variants.map(({ method, name, settings }) =>
      resolveRun({
        ...settings,
        ...common,
        ...task.settings,
        ...perMethod.get(method),
        ...perMethod.get(name),
        ...tried,
        method,
      }),
    ),
  );
}

function refuse(settings: RunSettings, runs: readonly RunConfig[], where: string): void {
  if (runs.length === 0) return;
  const idle = Object.keys(settings).find((key) =>
    runs.every((run) => withoutEffect(runOptions, { [key]: true }, run).length > 0),
  );
  if (idle !== undefined) throw new UsageError(`No effect in any run ${where}: ${flagOf(idle)}; leave it out.`);
}

/** The file may say how long runs are without a budget. */
function refuseLengths({ budget, byFlag, grid }: Spec): void {
  if (!budget) return;
  const idle = LENGTHS.find((key) => key in byFlag || grid.some((point) => key in point));
  if (idle !== undefined)
    throw new UsageError(`No effect beside --budget, which says how long runs are: ${flagOf(idle)}; leave it out.`);
}

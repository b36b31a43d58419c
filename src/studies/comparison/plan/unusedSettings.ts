// Refuses settings that change nothing, and methods that differ in nothing.
import { UsageError } from "../../../base/index.js";
import { flagOf, withoutEffect } from "../../../base/settings/index.js";
import { type RunConfig, type RunSettings, resolveRun, runOptions } from "../../../tasks/config/index.js";
import type { Spec } from "../spec/spec.js";
import { pointsFor } from "../spec/tuning.js";
import type { Variant } from "../spec/variants.js";
import { LENGTH_SETTINGS } from "./budget.js";
import { settingsKey } from "./grid.js";
import { askedOf, HOLDOUT, settingsWithHoldout } from "./runSettings.js";

/**
 * Refuses two method names for the same run, which a table would show as two competitors. Methods for which other points are tried are not the
 * same. @throws UsageError naming both
 */
export function refuseSameRuns(spec: Spec): void {
  for (const task of spec.tasks) {
    const named = new Map<string, string>();
    for (const variant of spec.variants) {
      const tried = pointsFor(spec.tuning, variant).map(settingsKey);
      const run = [settingsKey(settingsWithHoldout(spec, task, variant)), ...tried].join("\n");
      const other = named.get(run);
      if (other !== undefined)
        throw new UsageError(
          `${other} and ${variant.name} are the same run on ${task.name}, given the other settings: leave one of them out.`,
        );
      named.set(run, variant.name);
    }
  }
}

/**
 * Refuses settings that have no effect in any run: the user expected one.
 * @throws UsageError for a setting of all methods, of one method, of the tuning or of the curve
 */
export function refuseUnusedSettings(spec: Spec): void {
  const { mustApply, tasks, variants } = spec;
  const all = runsOf(spec, variants);
  refuse(mustApply, all, "of this comparison");
  refuseUnusedOfMethods(spec, spec.perMethod);
  for (const task of tasks) refuseUnusedOfMethods({ ...spec, tasks: [task] }, task.perMethod, ` on ${task.name}`);
  for (const [where, pointsOf] of TRIED) {
    const points = variants.flatMap((variant) => pointsOf(spec, variant).map((point) => ({ variant, point })));
    const runs = points.flatMap(({ variant, point }) => runsOf(spec, [variant], point));
    refuse(Object.assign({}, ...points.map(({ point }) => point)), runs, where);
  }
  refuseIdleDataSeeds(spec);
  refuseLengths(spec);
}

/** The points that take the place of a method's settings in some runs. */
const TRIED = [
  ["of --tune", ({ tuning }: Spec, variant: Variant) => pointsFor(tuning, variant)],
  ["of --curve", ({ curve }: Spec) => curve?.points ?? []],
] as const;

function refuseUnusedOfMethods(spec: Spec, perMethod: ReadonlyMap<string, RunSettings>, where = ""): void {
  for (const [name, settings] of perMethod) {
    const own = spec.variants.filter(({ names }) => names.includes(name));
    refuse(settings, runsOf(spec, own), `of ${name}${where}`);
  }
}

const runsOf = (spec: Spec, variants: readonly Variant[], tried: RunSettings = {}): RunConfig[] =>
  spec.tasks.flatMap((task) =>
    variants.map((variant) => {
      const { method, settings, stopsEarly } = variant;
      const held = (stopsEarly || pointsFor(spec.tuning, variant).length > 0) && { holdoutFraction: HOLDOUT };
      return resolveRun({ ...held, ...settings, ...askedOf(spec, task, variant, tried), method });
    }),
  );

function refuse(settings: RunSettings, runs: readonly RunConfig[], where: string): void {
  if (runs.length === 0) return;
  const idle = Object.keys(settings).find((key) =>
    runs.every((run) => withoutEffect(runOptions, { [key]: true }, run).length > 0),
  );
  if (idle !== undefined) throw new UsageError(`No effect in any run ${where}: ${flagOf(idle)}; leave it out.`);
}

/** @throws UsageError for a run that takes its rows in the order of the file, so that a seed of the rows draws nothing */
function refuseIdleDataSeeds(spec: Spec): void {
  if (spec.dataSeeds.length === 0 || runsOf(spec, spec.variants).every(({ shuffle }) => shuffle)) return;
  throw new UsageError(
    "--data-seeds has no effect on runs with --no-shuffle, which draw no rows; leave one of them out.",
  );
}

/** A file may set the length for runs without a budget; flags, the tuning and the curve may not contradict it. */
function refuseLengths(spec: Spec): void {
  const { budget, byFlag, variants } = spec;
  if (!budget) return;
  const points = TRIED.flatMap(([, pointsOf]) => variants.flatMap((variant) => pointsOf(spec, variant)));
  const idle = LENGTH_SETTINGS.find((key) => key in byFlag || points.some((point) => key in point));
  if (idle !== undefined)
    throw new UsageError(`No effect with --budget, which sets the length of the runs: ${flagOf(idle)}; leave it out.`);
}

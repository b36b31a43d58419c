import { join } from "node:path";
import type { RunSettings } from "../../config/index.js";
import { HOLDOUT, type RunFacts, refuseSame, settingsOf } from "./cellSettings.js";
import { distinctPoints, pointName } from "./grid.js";
import { refuseIdle } from "./idle.js";
import type { Spec, SpecTask } from "./spec.js";
import { type Variant, variantNamed } from "./variants.js";

/** One run of a comparison. */
export interface Cell {
  readonly task: string;
  readonly variant: Variant;
  readonly seed: number;
  /** What of a grid it tries; undefined for a run that counts. */
  readonly point: RunSettings | undefined;
  readonly folder: string;
  /** All that is set of it. */
  readonly settings: RunSettings;
}

/** A method on a task. */
export interface Pair {
  readonly task: SpecTask;
  readonly variant: Variant;
  readonly folder: string;
}

/** Every method on every task, in their order. @throws UsageError for settings that have no effect on any method, and for two that are one */
export function pairsOf(spec: Spec): Pair[] {
  refuseIdle(spec);
  refuseSame(spec);
  return spec.tasks.flatMap((task) =>
    spec.variants.map((variant) => ({ task, variant, folder: join(spec.output, task.name, variant.name) })),
  );
}

/**
 * Runs that try the points of the grid, with the first seed, each judged by rows that it holds out. Of points that are the same run,
 * for what sets them apart has no effect on the method, one is tried.
 */
export async function gridCells(spec: Spec, pair: Pair, facts: RunFacts): Promise<Cell[]> {
  const [seed = 0] = spec.seeds;
  const cells = spec.grid.map(async (point) => {
    const settings = { holdoutFraction: HOLDOUT, ...(await settingsOf(spec, pair, facts, point)), seed };
    return cell(pair, { seed, point, folder: join(pair.folder, "grid", pointName(point)), settings });
  });
  return distinctPoints(await Promise.all(cells));
}

/** The runs that count, one a seed. @param chosen what a grid found to be best */
export async function finalCells(spec: Spec, pair: Pair, facts: RunFacts, chosen: RunSettings = {}): Promise<Cell[]> {
  const settings = await settingsOf(spec, pair, facts, chosen);
  return spec.seeds.map((seed) =>
    cell(pair, { seed, point: undefined, folder: join(pair.folder, `seed-${seed}`), settings: { ...settings, seed } }),
  );
}

/**
 * Runs of a comparison's tasks that are in its folder and not asked for this time, as they would be asked for now: their figures are
 * summed up with the others'.
 */
export async function cellsBeside(spec: Spec, places: readonly Place[], facts: RunFacts): Promise<Cell[]> {
  const isAsked = ({ method, seed }: Place) =>
    spec.seeds.includes(seed) && spec.variants.some(({ name }) => name === method);
  const cells = places.map(async (place) => {
    const task = spec.tasks.find(({ name }) => name === place.task);
    const variant = variantNamed(place.method);
    if (!task || !variant || isAsked(place)) return [];
    const pair = { task, variant, folder: join(spec.output, task.name, variant.name) };
    return finalCells({ ...spec, seeds: [place.seed] }, pair, facts);
  });
  return (await Promise.all(cells)).flat();
}

/** Where a run lies. */
type Place = Pick<Cell, "task" | "seed"> & { readonly method: string };

const cell = ({ task, variant }: Pair, rest: Omit<Cell, "task" | "variant">): Cell => ({
  task: task.name,
  variant,
  ...rest,
});

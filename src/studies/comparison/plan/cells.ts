// The runs of a comparison.
import { join } from "node:path";
import { CURVE, GRID, type RunId, seedsName } from "../../../base/records/index.js";
import type { RunSettings } from "../../../tasks/config/index.js";
import { crossed, type Spec } from "../spec/spec.js";
import type { SpecTask } from "../spec/specTasks.js";
import { pointsFor } from "../spec/tuning.js";
import { type Variant, variantNamed } from "../spec/variants.js";
import { distinctRuns, pointName } from "./grid.js";
import { heldOutSettings, type RunFacts, runSettings } from "./runSettings.js";
import { refuseSameRuns, refuseUnusedSettings } from "./unusedSettings.js";

/** One run of a comparison: a method on a task with a seed. */
export interface Cell {
  readonly task: string;
  readonly variant: Variant;
  readonly seed: number;
  /** That of the rows, if it has one of its own. */
  readonly dataSeed?: number;
  /** The point that it tries for `--tune`; undefined for other runs. */
  readonly point: RunSettings | undefined;
  /** The value of the curve's setting that it trains with; undefined for runs beside the curve. */
  readonly onCurve?: RunSettings | undefined;
  readonly folder: string;
  readonly settings: RunSettings;
}

/** A method on a task, with all its seeds. */
export interface Pair {
  readonly task: SpecTask;
  readonly variant: Variant;
  readonly folder: string;
}

/** Every method on every task, in order. @throws UsageError for settings without effect in any run, and for two methods that are the same run */
export function pairsOf(spec: Spec): Pair[] {
  refuseUnusedSettings(spec);
  refuseSameRuns(spec);
  return spec.tasks.flatMap((task) => spec.variants.map((variant) => pairOf(spec, task, variant)));
}

const pairOf = ({ output }: Spec, task: SpecTask, variant: Variant): Pair => ({
  ...{ task, variant, folder: join(output, task.name, variant.name) },
});

/**
 * The runs that try a method's points, with the tuning's seed; each is scored on training rows that it holds out. Points that differ only
 * in settings without effect on the method are the same run, which is done once.
 */
export async function gridCells(spec: Spec, pair: Pair, facts: RunFacts): Promise<Cell[]> {
  const { seed } = spec.tuning;
  const ofPair = { task: pair.task.name, variant: pair.variant };
  const cells = pointsFor(spec.tuning, pair.variant).map(async (point): Promise<Cell> => {
    const held = heldOutSettings(spec, pair.task, pair.variant, point);
    const settings = { ...held, ...(await runSettings(spec, pair, facts, point)), seed };
    return { ...ofPair, seed, point, folder: join(pair.folder, GRID, pointName(point)), settings };
  });
  return distinctRuns(await Promise.all(cells));
}

/** The reported runs, one for each seed, or for each seed with each data seed. @param chosen the best of the tried points */
export const finalCells = (spec: Spec, pair: Pair, facts: RunFacts, chosen: RunSettings = {}): Promise<Cell[]> =>
  seedCells(spec, pair, facts, chosen, pair.folder);

/** The runs of the curve, one per value and seed; none for a method on which the setting has no effect. */
export async function curveCells(spec: Spec, pair: Pair, facts: RunFacts, chosen: RunSettings = {}): Promise<Cell[]> {
  const points = (spec.curve?.points ?? []).map(async (onCurve) => {
    const folder = join(pair.folder, CURVE, pointName(onCurve));
    const cells = await seedCells(spec, pair, facts, { ...chosen, ...onCurve }, folder);
    return cells.map((cell) => ({ ...cell, onCurve }));
  });
  const cells = (await Promise.all(points)).flat();
  return spec.curve && cells.every(({ settings }) => Object.hasOwn(settings, spec.curve!.key)) ? cells : [];
}

async function seedCells(spec: Spec, pair: Pair, facts: RunFacts, tried: RunSettings, above: string): Promise<Cell[]> {
  const settings = await runSettings(spec, pair, facts, tried);
  const { evalOnStart = true } = settings; // for the baseline
  return crossed(spec.seeds, spec.dataSeeds).map((seeds) => ({
    ...{ task: pair.task.name, variant: pair.variant, ...seeds, point: undefined },
    folder: join(above, seedsName(seeds)),
    settings: { ...settings, evalOnStart, ...seeds },
  }));
}

/**
 * Runs in the comparison's folder that this call does not ask for, with the settings that they would have now: they are summarized with the
 * others.
 */
export async function otherFinishedCells(spec: Spec, places: readonly RunId[], facts: RunFacts): Promise<Cell[]> {
  const asked = new Set(crossed(spec.seeds, spec.dataSeeds).map(seedsName));
  const isAsked = (run: RunId) => asked.has(seedsName(run)) && spec.variants.some(({ name }) => name === run.method);
  const cells = places.map(async (place) => {
    const task = spec.tasks.find(({ name }) => name === place.task);
    const variant = variantNamed(place.method, spec.defined);
    if (!task || !variant || isAsked(place)) return [];
    const { seed, dataSeed } = place;
    const seeds = { seeds: [seed], dataSeeds: dataSeed === undefined ? [] : [dataSeed] };
    return finalCells({ ...spec, ...seeds }, pairOf(spec, task, variant), facts);
  });
  return (await Promise.all(cells)).flat();
}

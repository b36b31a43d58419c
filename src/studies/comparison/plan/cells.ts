// The runs of a comparison, and all settings of each.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../../base/index.js";
import { CURVE, GRID, type RunId, type StepCosts, seedsName } from "../../../base/records/index.js";
import { flagOf, withoutEffect } from "../../../base/settings/index.js";
import {
  METHODS,
  type Method,
  type RunConfig,
  type RunSettings,
  resolveRun,
  runOptions,
} from "../../../tasks/config/index.js";
import { crossed, type Spec, type SpecTask } from "../spec/spec.js";
import { pointsFor } from "../spec/tuning.js";
import { type Variant, variantNamed, variantsOf } from "../spec/variants.js";
import { LENGTH_SETTINGS, lengthWithinBudget, ONE_PER_STEP, rowsPerStep } from "./budget.js";
import { distinctRuns, pointName, settingsKey } from "./grid.js";

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

/** Measured facts that the settings of a run depend on. */
export interface RunFacts {
  /** The number of training rows of a run with these settings. */
  rowsOf(config: RunConfig): Promise<number>;
  /** The number of rows in a file of the upper level's own, if there is one. */
  upperRowsOf(config: RunConfig): Promise<number | undefined>;
  /** The number of optimizer steps of a run with these settings. */
  stepsOf(config: RunConfig): Promise<number>;
  /** Seconds per step, in each phase. */
  secondsOfStep(config: RunConfig): Promise<StepCosts>;
}

/** The share of the training rows that is held out for tuning or early stopping by default. */
const HOLDOUT = 0.2;
/** The number of evaluations in a run with early stopping, by default. */
const EVALUATIONS = 10;
/** The number of checkpoints in a run, by default; a killed run is resumed from the newest. */
const CHECKPOINTS = 5;

/**
 * All settings of a run.
 * @param tried a point of the tuning or the curve, which takes precedence over everything else
 */
async function runSettings(
  spec: Spec,
  { task, variant }: Pick<Pair, "task" | "variant">,
  facts: RunFacts,
  tried: RunSettings,
): Promise<RunSettings> {
  const asked = requestedSettings(spec, task, variant, tried);
  const threads = asked.threads ?? Math.max(1, Math.floor(availableParallelism() / spec.jobs));
  const held = { ...asked, threads, ...holdoutOf(spec, task, variant, asked) };
  const sized = { ...held, ...(await lengthOf(spec, held, facts)) };
  const all = { ...sized, ...(await watchingOf(variant, sized, facts)) };
  return Object.fromEntries(Object.entries(all).filter(([, value]) => value !== undefined));
}

/** What the user asked for in a run, the more specific after the more general. */
const askedOf = (
  { common, perMethod, byFlag }: Spec,
  task: SpecTask,
  { names }: Variant,
  tried: RunSettings,
): RunSettings =>
  Object.assign(
    { ...common, ...task.settings },
    ...names.flatMap((name) => [perMethod.get(name), task.perMethod.get(name)]),
    { ...byFlag, ...tried },
  );

function requestedSettings(spec: Spec, task: SpecTask, variant: Variant, tried: RunSettings = {}): RunSettings {
  const requested = askedOf(spec, task, variant, tried);
  const whole = { ...variant.settings, ...requested, method: variant.method };
  const held = { ...(variant.stopsEarly && { holdoutFraction: HOLDOUT }), ...whole };
  const idle = new Set(withoutEffect(runOptions, requested, resolveRun(held)));
  return Object.fromEntries(Object.entries(whole).filter(([key]) => !idle.has(key)));
}

/** How a run that tries a point holds out the rows that it is scored on, unless its settings say otherwise. */
export function heldOutSettings(spec: Spec, task: SpecTask, variant: Variant, tried: RunSettings): RunSettings {
  const { holdoutGroups, shuffle } = askedOf(spec, task, variant, tried);
  return { holdoutFraction: HOLDOUT, ...(holdoutGroups && shuffle !== false && { holdoutGroups }) };
}

/** The same, with the share of the rows to hold out. */
export function settingsWithHoldout(
  spec: Spec,
  task: SpecTask,
  variant: Variant,
  tried: RunSettings = {},
): RunSettings {
  const asked = requestedSettings(spec, task, variant, tried);
  return { ...asked, ...holdoutOf(spec, task, variant, asked) };
}

/**
 * Refuses two method names for the same run, which a table would show as two competitors. Methods for which other points are tried are not the
 * same. @throws UsageError naming both
 */
function refuseSameRuns(spec: Spec): void {
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

const [BIDORA] = variantsOf(["bidora"]) as [Variant];

/** A run with early stopping holds out the same rows that BiDoRA's upper level uses. */
function holdoutOf(spec: Spec, task: SpecTask, { stopsEarly }: Variant, asked: RunSettings): RunSettings {
  if (!stopsEarly || asked.holdoutFraction !== undefined) return {};
  const { searchFraction } = askedOf(spec, task, BIDORA, {});
  return { holdoutFraction: searchFraction === undefined ? HOLDOUT : 1 - searchFraction };
}

async function lengthOf({ budget }: Spec, asked: RunSettings, facts: RunFacts): Promise<RunSettings> {
  if (!budget) return {};
  const config = resolveRun(asked);
  const costs = {
    steps: async () => ONE_PER_STEP,
    rows: async () => rowsPerStep(config, await facts.rowsOf(config), await facts.upperRowsOf(config)),
    seconds: () => facts.secondsOfStep(config),
  }[budget.of];
  return { ...NO_LENGTH, ...lengthWithinBudget(config, budget, await costs()) };
}

/** A budget replaces all settings of the length. */
const NO_LENGTH: RunSettings = Object.fromEntries(LENGTH_SETTINGS.map((key) => [key, undefined]));

/** How often to evaluate for early stopping, and to save checkpoints. */
async function watchingOf(
  { method, stopsEarly }: Variant,
  settings: RunSettings,
  facts: RunFacts,
): Promise<RunSettings> {
  const steps = await facts.stepsOf(resolveRun(settings));
  const often = (times: number) => Math.max(1, Math.floor(steps / times));
  const saving = settings.saveEvery === undefined ? { saveEvery: often(CHECKPOINTS), ...keeping(method) } : {};
  return stopsEarly ? { ...saving, evalEvery: settings.evalEvery ?? often(EVALUATIONS) } : saving;
}

/** Adapters are small, so all checkpoints are kept for the analysis of how weights moved; of whole models only the newest is kept. */
const keeping = (method: Method): RunSettings => (METHODS[method].adapter === undefined ? { keepCheckpoints: 1 } : {});

/**
 * Refuses settings that have no effect in any run: the user expected one.
 * @throws UsageError for a setting of all methods, of one method, of the tuning or of the curve
 */
function refuseUnusedSettings(spec: Spec): void {
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

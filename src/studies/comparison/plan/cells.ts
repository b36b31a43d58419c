// The runs of a comparison, and all settings of each.
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../../base/index.js";
import { GRID, type RunId, type StepCosts } from "../../../base/records/index.js";
import { flagOf, withoutEffect } from "../../../base/settings/index.js";
import {
  METHODS,
  type Method,
  type RunConfig,
  type RunSettings,
  resolveRun,
  runOptions,
} from "../../../tasks/config/index.js";
import type { Spec, SpecTask } from "../spec/spec.js";
import { type Variant, variantNamed, variantsOf } from "../spec/variants.js";
import { LENGTH_SETTINGS, lengthWithinBudget, ONE_PER_STEP, rowsPerStep } from "./budget.js";
import { distinctRuns, pointName, settingsKey } from "./grid.js";

/** One run of a comparison: a method on a task with a seed. */
export interface Cell {
  readonly task: string;
  readonly variant: Variant;
  readonly seed: number;
  /** The grid point that it tries; undefined for a run that is reported. */
  readonly point: RunSettings | undefined;
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
 * The runs that try the grid's points, with the first seed; each is scored on training rows that it holds out. Points that differ only in
 * settings without effect on the method are the same run, which is done once.
 */
export async function gridCells(spec: Spec, pair: Pair, facts: RunFacts): Promise<Cell[]> {
  const [seed = 0] = spec.seeds;
  const ofPair = { task: pair.task.name, variant: pair.variant };
  const cells = spec.grid.map(async (point): Promise<Cell> => {
    const settings = { holdoutFraction: HOLDOUT, ...(await runSettings(spec, pair, facts, point)), seed };
    return { ...ofPair, seed, point, folder: join(pair.folder, GRID, pointName(point)), settings };
  });
  return distinctRuns(await Promise.all(cells));
}

/** The reported runs, one per seed. @param chosen the best grid point */
export async function finalCells(spec: Spec, pair: Pair, facts: RunFacts, chosen: RunSettings = {}): Promise<Cell[]> {
  const settings = await runSettings(spec, pair, facts, chosen);
  return spec.seeds.map((seed) => ({
    ...{ task: pair.task.name, variant: pair.variant, seed, point: undefined },
    folder: join(pair.folder, `seed-${seed}`),
    settings: { ...settings, seed },
  }));
}

/**
 * Runs in the comparison's folder that this call does not ask for, with the settings that they would have now: they are summarized with the
 * others.
 */
export async function otherFinishedCells(spec: Spec, places: readonly RunId[], facts: RunFacts): Promise<Cell[]> {
  const isAsked = ({ method, seed }: RunId) =>
    spec.seeds.includes(seed) && spec.variants.some(({ name }) => name === method);
  const cells = places.map(async (place) => {
    const task = spec.tasks.find(({ name }) => name === place.task);
    const variant = variantNamed(place.method, spec.defined);
    if (!task || !variant || isAsked(place)) return [];
    return finalCells({ ...spec, seeds: [place.seed] }, pairOf(spec, task, variant), facts);
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

/** The share of the training rows that is held out for a grid or early stopping by default. */
const HOLDOUT = 0.2;
/** The number of evaluations in a run with early stopping, by default. */
const EVALUATIONS = 10;
/** The number of checkpoints in a run, by default; a killed run is resumed from the newest. */
const CHECKPOINTS = 5;

/**
 * All settings of a run.
 * @param tried a grid point, which takes precedence over everything else
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
  const idle = new Set(withoutEffect(runOptions, requested, resolveRun(whole)));
  return Object.fromEntries(Object.entries(whole).filter(([key]) => !idle.has(key)));
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

/** Refuses two method names for the same run, which a table would show as two competitors. @throws UsageError naming both */
function refuseSameRuns(spec: Spec): void {
  for (const task of spec.tasks) {
    const named = new Map<string, string>();
    for (const variant of spec.variants) {
      const run = settingsKey(settingsWithHoldout(spec, task, variant));
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
 * @throws UsageError for a setting of all methods, of one method, or of the grid
 */
function refuseUnusedSettings(spec: Spec): void {
  const { mustApply, tasks, grid, variants } = spec;
  const all = runsOf(spec, variants);
  refuse(mustApply, all, "of this comparison");
  refuseUnusedOfMethods(spec, spec.perMethod);
  for (const task of tasks) refuseUnusedOfMethods({ ...spec, tasks: [task] }, task.perMethod, ` on ${task.name}`);
  const points = grid.flatMap((point) => runsOf(spec, variants, point));
  refuse(Object.assign({}, ...grid), points, "of the grid");
  refuseLengths(spec);
}

function refuseUnusedOfMethods(spec: Spec, perMethod: ReadonlyMap<string, RunSettings>, where = ""): void {
  for (const [name, settings] of perMethod) {
    const own = spec.variants.filter(({ names }) => names.includes(name));
    refuse(settings, runsOf(spec, own), `of ${name}${where}`);
  }
}

const runsOf = (spec: Spec, variants: readonly Variant[], tried: RunSettings = {}): RunConfig[] =>
  spec.tasks.flatMap((task) =>
    variants.map((variant) => {
      const { method, settings } = variant;
      return resolveRun({ ...settings, ...askedOf(spec, task, variant, tried), method });
    }),
  );

function refuse(settings: RunSettings, runs: readonly RunConfig[], where: string): void {
  if (runs.length === 0) return;
  const idle = Object.keys(settings).find((key) =>
    runs.every((run) => withoutEffect(runOptions, { [key]: true }, run).length > 0),
  );
  if (idle !== undefined) throw new UsageError(`No effect in any run ${where}: ${flagOf(idle)}; leave it out.`);
}

/** A file may set the length for runs without a budget; flags and the grid may not contradict it. */
function refuseLengths({ budget, byFlag, grid }: Spec): void {
  if (!budget) return;
  const idle = LENGTH_SETTINGS.find((key) => key in byFlag || grid.some((point) => key in point));
  if (idle !== undefined)
    throw new UsageError(`No effect with --budget, which sets the length of the runs: ${flagOf(idle)}; leave it out.`);
}

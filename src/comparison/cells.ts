import { availableParallelism } from "node:os";
import { join } from "node:path";
import { UsageError } from "../common/errors.js";
import { METHODS, type Method, type RunConfig, type RunSettings, resolveRun, runOptions } from "../config/index.js";
import type { StepCosts } from "../files/comparisonFolder.js";
import { flagOf } from "../settings/option.js";
import { withoutEffect } from "../settings/settings.js";
import { LENGTH_SETTINGS, lengthWithinBudget, ONE_PER_STEP, rowsPerStep } from "./budget.js";
import { distinctRuns, pointName, settingsKey } from "./grid.js";
import { type Spec, type SpecTask, type Variant, variantNamed } from "./spec.js";

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
  refuseUnusedSettings(spec);
  refuseSameRuns(spec);
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
    const settings = { holdoutFraction: HOLDOUT, ...(await runSettings(spec, pair, facts, point)), seed };
    return cell(pair, { seed, point, folder: join(pair.folder, "grid", pointName(point)), settings });
  });
  return distinctRuns(await Promise.all(cells));
}

/** The runs that count, one a seed. @param chosen what a grid found to be best */
export async function finalCells(spec: Spec, pair: Pair, facts: RunFacts, chosen: RunSettings = {}): Promise<Cell[]> {
  const settings = await runSettings(spec, pair, facts, chosen);
  return spec.seeds.map((seed) =>
    cell(pair, { seed, point: undefined, folder: join(pair.folder, `seed-${seed}`), settings: { ...settings, seed } }),
  );
}

/**
 * Runs of a comparison's tasks that are in its folder and not asked for this time, as they would be asked for now: their figures are
 * summed up with the others'.
 */
export async function otherFinishedCells(spec: Spec, places: readonly Place[], facts: RunFacts): Promise<Cell[]> {
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

/** What must be known of a task and the machine to settle a run. */
export interface RunFacts {
  /** Training rows of a run with these settings. */
  rowsOf(config: RunConfig): Promise<number>;
  /** Optimizer steps of a run with these settings, where nothing but its rows says so. */
  stepsOf(config: RunConfig): Promise<number>;
  /** Seconds of a step, in each phase. */
  secondsOfStep(config: RunConfig): Promise<StepCosts>;
}

/** The share of the training rows that a grid and early stopping take, unless the settings say another. */
export const HOLDOUT = 0.2;
/** Evaluations in a run that is stopped early, unless the settings say how often. */
const LOOKS = 10;
/** Checkpoints on the way, so that a killed run goes on. */
const SAVES = 5;

/**
 * All that is set of a run.
 * @param tried values of a grid, which are stronger than all else
 */
export async function runSettings(
  spec: Spec,
  { task, variant }: Pick<Pair, "task" | "variant">,
  facts: RunFacts,
  tried: RunSettings,
): Promise<RunSettings> {
  const asked = requestedSettings(spec, task, variant, tried);
  const threads = asked.threads ?? Math.max(1, Math.floor(availableParallelism() / spec.jobs));
  const held = { ...asked, threads, ...holdoutOf(spec, task, variant, asked) };
  const sized = { ...held, ...(await lengthOf(spec, held, facts)) };
  return withoutOpen({ ...sized, ...(await watchingOf(variant, sized, facts)) });
}

/** What is said of a run, weaker words first, without what has no effect in it. */
export function requestedSettings(spec: Spec, task: SpecTask, variant: Variant, tried: RunSettings = {}): RunSettings {
  const { method } = variant;
  const said = {
    ...spec.common,
    ...task.settings,
    ...spec.perMethod.get(method),
    ...spec.perMethod.get(variant.name),
    ...tried,
  };
  const whole = { ...variant.settings, ...said, method };
  const idle = new Set(withoutEffect(runOptions, said, resolveRun(whole)));
  return Object.fromEntries(Object.entries(whole).filter(([key]) => !idle.has(key)));
}

/** The same, with the share of the rows that the run holds out. */
export function settingsWithHoldout(
  spec: Spec,
  task: SpecTask,
  variant: Variant,
  tried: RunSettings = {},
): RunSettings {
  const asked = requestedSettings(spec, task, variant, tried);
  return { ...asked, ...holdoutOf(spec, task, variant, asked) };
}

/** Refuses two names for one run, of which a table would tell as of two competitors. @throws UsageError naming both */
export function refuseSameRuns(spec: Spec): void {
  for (const task of spec.tasks) {
    const named = new Map<string, string>();
    for (const variant of spec.variants) {
      const run = settingsKey(settingsWithHoldout(spec, task, variant));
      const other = named.get(run);
      if (other !== undefined)
        throw new UsageError(
          `${other} and ${variant.name} are the same run on ${task.name}, by what is set beside their names: leave one of them out.`,
        );
      named.set(run, variant.name);
    }
  }
}

const withoutOpen = (settings: RunSettings): RunSettings =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

/** A run that is stopped early is so by as many rows as BiDoRA's upper level takes: they are the same ones. */
function holdoutOf(
  { common, perMethod }: Spec,
  task: SpecTask,
  { stopsEarly }: Variant,
  asked: RunSettings,
): RunSettings {
  if (!stopsEarly || asked.holdoutFraction !== undefined) return {};
  const { searchFraction } = { ...common, ...task.settings, ...perMethod.get("bidora") };
  return { holdoutFraction: searchFraction === undefined ? HOLDOUT : 1 - searchFraction };
}

/** How long the run is under a budget. */
async function lengthOf({ budget }: Spec, asked: RunSettings, facts: RunFacts): Promise<RunSettings> {
  if (!budget) return {};
  const config = resolveRun(asked);
  const costs = {
    steps: async () => ONE_PER_STEP,
    rows: async () => rowsPerStep(config, await facts.rowsOf(config)),
    seconds: () => facts.secondsOfStep(config),
  }[budget.of];
  return { ...NO_LENGTH, ...lengthWithinBudget(config, budget, await costs()) };
}

/** A budget stands in for all other words for a length. */
const NO_LENGTH: RunSettings = Object.fromEntries(LENGTH_SETTINGS.map((key) => [key, undefined]));

/** How often early stopping looks; and checkpoints, from which a killed run goes on. */
async function watchingOf(
  { method, stopsEarly }: Variant,
  settings: RunSettings,
  facts: RunFacts,
): Promise<RunSettings> {
  const steps = await facts.stepsOf(resolveRun(settings));
  const often = (times: number) => Math.max(1, Math.floor(steps / times));
  const saving = settings.saveEvery === undefined ? { saveEvery: often(SAVES), ...keeping(method) } : {};
  return stopsEarly ? { ...saving, evalEvery: settings.evalEvery ?? often(LOOKS) } : saving;
}

/** Adapters are small, and show how weights moved; of whole models the newest is enough to go on from. */
const keeping = (method: Method): RunSettings => (METHODS[method].adapter === undefined ? { keepCheckpoints: 1 } : {});

/**
 * A setting that changes nothing in any run was meant to.
 * @throws UsageError for one that goes for all methods, one of a method's own, or one of a grid
 */
export function refuseUnusedSettings(spec: Spec): void {
  const { mustApply, perMethod, grid, variants } = spec;
  const all = runsOf(spec, variants);
  refuse(mustApply, all, "of this comparison");
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
  const idle = LENGTH_SETTINGS.find((key) => key in byFlag || grid.some((point) => key in point));
  if (idle !== undefined)
    throw new UsageError(`No effect beside --budget, which says how long runs are: ${flagOf(idle)}; leave it out.`);
}

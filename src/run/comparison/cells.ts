import { availableParallelism } from "node:os";
import { join } from "node:path";
import { UsageError } from "../../common/errors.js";
import {
  flagOf,
  METHODS,
  type Method,
  type RunConfig,
  type RunSettings,
  resolveRun,
  runOptions,
} from "../../config/index.js";
import { withoutEffect } from "../../config/withoutEffect.js";
import { lengthWithin, ONE_A_STEP, rowsOfStep, type StepCosts } from "./budget.js";
import { pointName } from "./grid.js";
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

/** What a cell needs to be known of its task and machine. */
export interface PairFacts {
  /** Optimiser steps of a run with these settings, where nothing but its rows says so. */
  stepsOf(config: RunConfig): Promise<number>;
  /** Seconds of a step, in each phase. */
  secondsOfStep(config: RunConfig): Promise<StepCosts>;
}

/** The share of the training rows that a grid and early stopping take, unless the settings say another. */
const HOLDOUT = 0.2;
/** Evaluations in a run that is stopped early, unless the settings say how often. */
const LOOKS = 10;
/** Checkpoints on the way, so that a killed run goes on. */
const SAVES = 5;

/** Every method on every task, in their order. @throws UsageError for settings that have no effect on any method */
export function pairsOf(spec: Spec): Pair[] {
  refuseIdle(spec);
  return spec.tasks.flatMap((task) =>
    spec.variants.map((variant) => ({ task, variant, folder: join(spec.output, task.name, variant.name) })),
  );
}

/** Runs that try the points of the grid, with the first seed, each judged by rows that it holds out. */
export function gridCells(spec: Spec, pair: Pair, facts: PairFacts): Promise<Cell[]> {
  const [seed = 0] = spec.seeds;
  return Promise.all(
    spec.grid.map(async (point) => {
      const settings = { holdoutFraction: HOLDOUT, ...(await settingsOf(spec, pair, facts, point)), seed };
      return cell(pair, { seed, point, folder: join(pair.folder, "grid", pointName(point)), settings });
    }),
  );
}

/** The runs that count, one a seed. @param chosen what a grid found to be best */
export async function finalCells(spec: Spec, pair: Pair, facts: PairFacts, chosen: RunSettings = {}): Promise<Cell[]> {
  const settings = await settingsOf(spec, pair, facts, chosen);
  return spec.seeds.map((seed) =>
    cell(pair, { seed, point: undefined, folder: join(pair.folder, `seed-${seed}`), settings: { ...settings, seed } }),
  );
}

/**
 * Runs of a comparison's tasks that are in its folder and not asked for this time, as they would be asked for now: their figures are
 * summed up with the others'.
 */
export async function cellsBeside(spec: Spec, places: readonly Place[], facts: PairFacts): Promise<Cell[]> {
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

/** @param tried values of a grid, which are stronger than all else */
async function settingsOf(
  spec: Spec,
  { task, variant }: Pair,
  facts: PairFacts,
  tried: RunSettings,
): Promise<RunSettings> {
  const { method } = variant;
  const own = { ...spec.perMethod.get(method), ...spec.perMethod.get(variant.name) };
  const shared = { ...spec.common, ...task.settings };
  const whole = { ...shared, ...own, ...tried, method };
  const asked = { ...variant.settings, ...effective(whole, shared), ...own, ...effective(whole, tried), method };
  const threads = shared.threads ?? Math.max(1, Math.floor(availableParallelism() / spec.jobs));
  const sized = { ...asked, threads, ...(await lengthOf(spec, { ...asked, threads }, facts)) };
  return withoutOpen({ ...sized, ...(await watchingOf(variant, sized, whole.searchFraction, facts)) });
}

const withoutOpen = (settings: RunSettings): RunSettings =>
  Object.fromEntries(Object.entries(settings).filter(([, value]) => value !== undefined));

/** How long the run is under a budget. */
async function lengthOf({ budget }: Spec, asked: RunSettings, facts: PairFacts): Promise<RunSettings> {
  if (!budget) return {};
  const config = resolveRun(asked);
  const costs = {
    steps: async () => ONE_A_STEP,
    rows: async () => rowsOfStep(config),
    seconds: () => facts.secondsOfStep(config),
  }[budget.of];
  return { ...NO_LENGTH, ...lengthWithin(config, budget.amount, await costs()) };
}

/** A budget stands in for all other words for a length. */
const NO_LENGTH: RunSettings = { epochs: undefined, retrainEpochs: undefined, retrainSteps: undefined };

/** What early stopping looks at, and how often; and checkpoints, from which a killed run goes on. */
async function watchingOf(
  { method, stopsEarly }: Variant,
  settings: RunSettings,
  searchFraction: number | undefined,
  facts: PairFacts,
): Promise<RunSettings> {
  const steps = await facts.stepsOf(resolveRun(settings));
  const often = (times: number) => Math.max(1, Math.floor(steps / times));
  const saving = settings.saveEvery === undefined ? { saveEvery: often(SAVES), ...keeping(method) } : {};
  if (!stopsEarly) return saving;
  const upper = searchFraction === undefined ? HOLDOUT : 1 - searchFraction;
  const { evalEvery = often(LOOKS), holdoutFraction = upper } = settings;
  return { ...saving, evalEvery, holdoutFraction };
}

/** Adapters are small, and show how weights moved; of whole models the newest is enough to go on from. */
const keeping = (method: Method): RunSettings => (METHODS[method].adapter === undefined ? { keepCheckpoints: 1 } : {});

/** Of settings that go for several methods those that have an effect in this run. */
function effective(run: RunSettings, shared: RunSettings): RunSettings {
  const idle = new Set(withoutEffect(runOptions, shared, resolveRun(run)));
  return Object.fromEntries(Object.entries(shared).filter(([key]) => !idle.has(key)));
}

/** A setting that changes nothing in any run was meant to. */
function refuseIdle({ common, mustAct, tasks, variants, perMethod }: Spec): void {
  const runs = tasks.flatMap((task) =>
    variants.map(({ method, name, settings }) =>
      resolveRun({
        ...settings,
        ...common,
        ...task.settings,
        ...perMethod.get(method),
        ...perMethod.get(name),
        method,
      }),
    ),
  );
  const idle = Object.keys(mustAct).find((key) =>
    runs.every((run) => withoutEffect(runOptions, { [key]: true }, run).length > 0),
  );
  if (idle !== undefined)
    throw new UsageError(`No effect in any run of this comparison: ${flagOf(idle)}; leave it out.`);
}

import { availableParallelism } from "node:os";
import { UsageError } from "../../common/errors.js";
import { METHODS, type Method, type RunConfig, type RunSettings, resolveRun, runOptions } from "../../config/index.js";
import type { StepCosts } from "../../files/comparisonFolder.js";
import { withoutEffect } from "../../settings/settings.js";
import { LENGTHS, lengthWithin, ONE_A_STEP, rowsOfStep } from "./budget.js";
import type { Pair } from "./cells.js";
import { keyOf } from "./grid.js";
import type { Spec, SpecTask } from "./spec.js";
import type { Variant } from "./variants.js";

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
export async function settingsOf(
  spec: Spec,
  { task, variant }: Pick<Pair, "task" | "variant">,
  facts: RunFacts,
  tried: RunSettings,
): Promise<RunSettings> {
  const asked = askedOf(spec, task, variant, tried);
  const threads = asked.threads ?? Math.max(1, Math.floor(availableParallelism() / spec.jobs));
  const held = { ...asked, threads, ...holdoutOf(spec, task, variant, asked) };
  const sized = { ...held, ...(await lengthOf(spec, held, facts)) };
  return withoutOpen({ ...sized, ...(await watchingOf(variant, sized, facts)) });
}

/** What is said of a run, weaker words first, without what has no effect in it. */
export function askedOf(spec: Spec, task: SpecTask, variant: Variant, tried: RunSettings = {}): RunSettings {
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
export function heldOf(spec: Spec, task: SpecTask, variant: Variant, tried: RunSettings = {}): RunSettings {
  const asked = askedOf(spec, task, variant, tried);
  return { ...asked, ...holdoutOf(spec, task, variant, asked) };
}

/** Refuses two names for one run, of which a table would tell as of two competitors. @throws UsageError naming both */
export function refuseSame(spec: Spec): void {
  for (const task of spec.tasks) {
    const named = new Map<string, string>();
    for (const variant of spec.variants) {
      const run = keyOf(heldOf(spec, task, variant));
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
    steps: async () => ONE_A_STEP,
    rows: async () => rowsOfStep(config, await facts.rowsOf(config)),
    seconds: () => facts.secondsOfStep(config),
  }[budget.of];
  return { ...NO_LENGTH, ...lengthWithin(config, budget, await costs()) };
}

/** A budget stands in for all other words for a length. */
const NO_LENGTH: RunSettings = Object.fromEntries(LENGTHS.map((key) => [key, undefined]));

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

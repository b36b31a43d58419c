// All settings of a run of a comparison.
import { availableParallelism } from "node:os";
import { given, UsageError } from "../../../base/index.js";
import type { StepCosts } from "../../../base/records/index.js";
import { flagOf, withoutEffect } from "../../../base/settings/index.js";
import {
  METHODS,
  type Method,
  type RunConfig,
  type RunSettings,
  resolveRun,
  runOptions,
} from "../../../tasks/config/index.js";
import type { Spec } from "../spec/spec.js";
import type { SpecTask } from "../spec/specTasks.js";
import { type Variant, variantsOf } from "../spec/variants.js";
import { LENGTH_SETTINGS, lengthWithinBudget, ONE_PER_STEP, rowsPerStep } from "./budget.js";

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
export const HOLDOUT = 0.2;
/** The number of evaluations in a run with early stopping, by default. */
const EVALUATIONS = 10;
/** The number of checkpoints in a run, by default; a killed run is resumed from the newest. */
const CHECKPOINTS = 5;

/**
 * All settings of a run.
 * @param tried a point of the tuning or the curve, which takes precedence over everything else
 */
export async function runSettings(
  spec: Spec,
  { task, variant }: { readonly task: SpecTask; readonly variant: Variant },
  facts: RunFacts,
  tried: RunSettings,
): Promise<RunSettings> {
  const asked = requestedSettings(spec, task, variant, tried);
  const threads = asked.threads ?? Math.max(1, Math.floor(availableParallelism() / spec.jobs));
  const held = { ...asked, threads, ...holdoutOf(spec, task, variant, asked) };
  const sized = { ...held, ...(await lengthOf(spec, held, facts)) };
  return given({ ...sized, ...(await watchingOf(variant, sized, facts)) });
}

/** What the user asked for in a run, the more specific after the more general. */
export const askedOf = (
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
  refuseOtherName(variant, requested);
  const whole = { ...variant.settings, ...requested, method: variant.method };
  const held = { ...(variant.stopsEarly && { holdoutFraction: HOLDOUT }), ...whole };
  const idle = new Set(withoutEffect(runOptions, requested, resolveRun(held)));
  return Object.fromEntries(Object.entries(whole).filter(([key]) => !idle.has(key)));
}

/** Settings that a variant's name says. Those of early stopping may be others. */
const NAMED = ["initLoraWeights", "searchFolds", "warmStart"] as const satisfies (keyof RunSettings)[];

/** @throws UsageError for a setting that is not what the variant's name says */
function refuseOtherName({ name, settings }: Variant, requested: RunSettings): void {
  const key = NAMED.find((one) => settings[one] !== undefined && (requested[one] ?? settings[one]) !== settings[one]);
  if (key === undefined) return;
  throw new UsageError(
    `${name} means ${flagOf(key)} ${settings[key]}, and its settings have ${requested[key]}: leave that out, or name another method.`,
  );
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

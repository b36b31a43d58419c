import { group } from "d3-array";
import { BidoraError } from "../../base/index.js";
import { CONDITIONS, type RunConditions, type RunId, type StartEvent } from "../../base/records/index.js";
import { resolveRun } from "../../tasks/config/index.js";
import { computeDtype, resolveDevice } from "../../torch/index.js";
import { versions } from "../../training/run/index.js";
import type { Cell } from "./cells.js";
import type { LauncherName } from "./launchers.js";

type Condition = keyof typeof CONDITIONS;

const isGiven = (value: unknown): value is string | number => typeof value === "string" || typeof value === "number";

/** The conditions without those that are unknown, or mean nothing for the method. */
const known = (found: Readonly<Record<Condition, unknown>>): RunConditions =>
  Object.fromEntries(Object.entries(found).filter((entry): entry is [Condition, string | number] => isGiven(entry[1])));

/** The conditions of a run, from its log. */
export function conditionsOf({ processes, rowsPerStep, settings, idle = [], versions }: StartEvent): RunConditions {
  const { dtype, baseDtype, magnitudeAxis } = settings;
  return known({
    ...{ processes, rowsPerStep, dtype, baseDtype: baseDtype ?? dtype },
    magnitudeAxis: idle.includes("magnitudeAxis") ? undefined : magnitudeAxis,
    bidora: versions.bidora,
    libtorch: versions.libtorch,
  });
}

/** A run with its conditions. */
export interface ConditionedRun extends RunId {
  readonly folder: string;
  readonly conditions?: RunConditions;
}

/** A run that a comparison will start, with the conditions that are known before. A job's machine can choose another dtype. */
export function runToStart({ task, variant, seed, folder, settings }: Cell, launcher: LauncherName): ConditionedRun {
  const { batchSize, gradientAccumulation, dtype, baseDtype, device } = resolveRun(settings);
  const computed = launcher === "local" ? computeDtype(dtype, resolveDevice(device)) : undefined;
  const { bidora, libtorch } = versions();
  const conditions = known({
    ...{ processes: 1, rowsPerStep: batchSize * gradientAccumulation, bidora, libtorch },
    ...{ dtype: computed, baseDtype: baseDtype ?? computed, magnitudeAxis: undefined },
  });
  return { task, method: variant.name, seed, folder, conditions };
}

/**
 * Refuses runs of one method on one task that differ in a condition: their mean and deviation would be of two methods. Conditions of other
 * methods may differ, and are shown.
 * @throws BidoraError `COMPARISON` naming two runs and their values
 */
export function refuseMixed(runs: readonly ConditionedRun[]): void {
  for (const alike of group(runs, ({ task, method }) => JSON.stringify([task, method])).values())
    for (const key of Object.keys(CONDITIONS) as Condition[]) refuseDifferent(alike, key);
}

function refuseDifferent(runs: readonly ConditionedRun[], key: Condition): void {
  const [first, ...others] = runs.filter(({ conditions }) => conditions?.[key] !== undefined);
  const other = others.find(({ conditions }) => conditions?.[key] !== first?.conditions?.[key]);
  if (!first || !other) return;
  throw new BidoraError(
    "COMPARISON",
    `${first.folder} and ${other.folder} are runs of ${first.method} under different conditions (${CONDITIONS[key]}: ${first.conditions?.[key]} and ${other.conditions?.[key]}): remove the folder of one of them and make its run again like the other, or keep them in two comparisons.`,
  );
}

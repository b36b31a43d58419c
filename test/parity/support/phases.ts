import { type RunConfig, type RunSettings, resolveRun } from "../../../src/tasks/config/index.js";
import { type EncodedExample, TASKS, type Task, type TaskKind } from "../../../src/tasks/index.js";
import * as torch from "../../../src/torch/index.js";
import type { TwoLevels } from "../../../src/training/loop/levels.js";
import { ReplayableMasks } from "../../../src/training/loop/masks.js";
import { planPhases } from "../../../src/training/loop/plans.js";
import type { StepReport } from "../../../src/training/steps/stepRule.js";
import { type Snapshot, takeSnapshot } from "../../../src/training/steps/trainedTensors.js";
import type { Adapted } from "./adapted.js";

/** The events of a phase, and the trained tensors at its end. */
export interface Phase {
  readonly reports: readonly StepReport[];
  readonly end: Snapshot;
}

/** Settings of a small run that differ from the defaults. */
const DEFAULTS = {
  model: "none",
  method: "dora",
  batchSize: 4,
  shuffle: false,
  epochs: 1,
  learningRate: 0,
  weightDecay: 0,
  warmupRatio: 0,
  upperLearningRate: 0,
  hypergradientTerms: 3,
  xi: 1,
  regularizer: 0,
  retrainLearningRate: 0,
} satisfies RunSettings;

/** Settings of a small run without regularizer; all learning rates are 0 unless given. */
export function planSettings(settings: RunSettings): RunConfig {
  return resolveRun({ ...DEFAULTS, ...settings });
}

/** What phases of classification rows are planned from, without gradient checkpointing. */
export const setupOf = ({ model, adapted }: Adapted, rows: readonly EncodedExample[]) => ({
  ...{ model, adapted, rows },
  task: TASKS["sequence-classification"] as Task,
  masks: new ReplayableMasks(new torch.Generator(0)),
  ranks: torch.ALONE,
  start: takeSnapshot(adapted.trained),
});

/** Runs all phases on classification rows, or those of another task, in their order. */
export function runPhases(
  { model, adapted }: Adapted,
  rows: readonly EncodedExample[],
  settings: RunSettings,
  kind: TaskKind = "sequence-classification",
  levels?: TwoLevels,
): { readonly start: Snapshot; readonly phases: readonly Phase[] } {
  const trained = [...adapted.trained, ...(levels?.own ?? [])];
  const start = takeSnapshot(trained);
  const masks = new ReplayableMasks(new torch.Generator(0), {
    gradientCheckpointing: settings.gradientCheckpointing ?? false,
  });
  const setup = { model, adapted, rows, task: TASKS[kind] as Task, masks, ranks: torch.ALONE, start, levels };
  const plans = planPhases(setup, planSettings(settings));
  const phases = plans.map((plan): Phase => {
    const rule = plan.begin();
    const reports = Array.from({ length: plan.steps }, () => torch.scope(() => rule.step()));
    return { reports, end: takeSnapshot(trained) };
  });
  return { start, phases };
}

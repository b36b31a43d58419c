import { type EncodedRow, TASKS } from "../../../src/tasks/index.js";
import * as torch from "../../../src/torch/index.js";
import { ReplayableMasks } from "../../../src/train/masks.js";
import { type PlanSettings, planPhases } from "../../../src/train/plans.js";
import type { StepReport } from "../../../src/train/stepRule.js";
import { type Snapshot, takeSnapshot } from "../../../src/train/trained.js";
import type { Adapted } from "./adapted.js";

/** What a phase told, and the trained tensors at its end. */
export interface Phase {
  readonly reports: readonly StepReport[];
  readonly end: Snapshot;
}

const DEFAULTS: PlanSettings = {
  method: "dora",
  batchSize: 4,
  gradientAccumulation: 1,
  shuffle: false,
  dropLast: false,
  seed: 0,
  epochs: 1,
  learningRate: 0,
  weightDecay: 0,
  adamBeta1: 0.9,
  adamBeta2: 0.999,
  adamEpsilon: 1e-8,
  warmupRatio: 0,
  schedule: "linear",
  upperLearningRate: 0,
  upperWeightDecay: 0,
  hypergradient: "exact",
  hypergradientTerms: 3,
  xi: 1,
  unrollSteps: 1,
  searchFraction: 0.8,
  regularizer: 0,
  retrainLearningRate: 0,
};

/** Settings of a small run without regulariser; all rates are zero unless they are given. */
export function planSettings(settings: Partial<PlanSettings>): PlanSettings {
  return { ...DEFAULTS, ...settings };
}

/** Runs all phases of a run on rows with a class, taken in their order. */
export function runPhases(
  { model, adapted }: Adapted,
  rows: readonly EncodedRow[],
  settings: Partial<PlanSettings>,
): { readonly start: Snapshot; readonly phases: readonly Phase[] } {
  const start = takeSnapshot(adapted.trained);
  const masks = new ReplayableMasks(new torch.Generator(0));
  const setup = { model, adapted, rows, task: TASKS["sequence-classification"], masks, start } as const;
  const plans = planPhases(setup, planSettings(settings));
  const phases = plans.map((plan): Phase => {
    const rule = plan.begin();
    const reports = Array.from({ length: plan.steps }, () => torch.scope(() => rule.step()));
    return { reports, end: takeSnapshot(adapted.trained) };
  });
  return { start, phases };
}

import type { PhasePlan } from "../train/loop.js";
import { ReplayableMasks } from "../train/masks.js";
import { planPhases, type TrainingSetup } from "../train/plans.js";
import type { Prepared } from "./prepare.js";

/** What a prepared run trains, on what, from where. */
export function setupOf({ adapted, data, choice, loaded, generator, start, config }: Prepared): TrainingSetup {
  const masks = new ReplayableMasks(generator, { gradientCheckpointing: config.gradientCheckpointing });
  return { model: loaded.model, adapted, rows: data.train, task: choice.task, masks, start };
}

/** The phases of a run. */
export function plansOf(prepared: Prepared): PhasePlan[] {
  return planPhases(setupOf(prepared), prepared.config);
}

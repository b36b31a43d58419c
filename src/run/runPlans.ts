import type { PhasePlan } from "../train/loop.js";
import { ReplayableMasks } from "../train/masks.js";
import { planPhases } from "../train/plans.js";
import type { Prepared } from "./prepare.js";

/** The phases of a run. */
export function plansOf({ config, adapted, data, choice, loaded, generator, start }: Prepared): PhasePlan[] {
  const masks = new ReplayableMasks(generator);
  return planPhases({ model: loaded.model, adapted, rows: data.train, task: choice.task, masks, start }, config);
}

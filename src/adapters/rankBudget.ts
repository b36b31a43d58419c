import type { AdaloraConfig } from "./adaloraConfig.js";

type Schedule = Pick<AdaloraConfig, "adaloraTinit" | "adaloraTfinal" | "adaloraDeltaT">;

/** Ranks of all layers together. */
interface Ranks {
  readonly first: number;
  readonly target: number;
}

/**
 * The step after which ranks come to the target and stay there. PEFT asks for one that lies after `tinit`, and knows no importance
 * after the first; a run that is too short for its schedule ends at the target here all the same.
 */
export const lastAllocation = (steps: number, { adaloraTfinal }: Schedule): number =>
  Math.max(1, steps - adaloraTfinal);

/**
 * How many ranks are left after a step (arXiv 2303.10512, equation 12), as PEFT counts them; undefined where none is taken away.
 * @param step from 1, of `steps`
 */
export function budgetAfter(step: number, steps: number, ranks: Ranks, schedule: Schedule): number | undefined {
  const { adaloraTinit: tinit, adaloraTfinal: tfinal, adaloraDeltaT: deltaT } = schedule;
  const last = lastAllocation(steps, schedule);
  if (step === last) return ranks.target;
  if (step > last || step <= tinit || step % deltaT !== 0) return undefined;
  const left = 1 - (step - tinit) / (steps - tfinal - tinit);
  return Math.trunc((ranks.first - ranks.target) * left ** 3 + ranks.target);
}

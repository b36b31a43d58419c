import { METHODS, type RunConfig, type RunSettings } from "../../config/index.js";

/** What every method may use up. */
export interface Budget {
  readonly of: "steps" | "rows" | "seconds";
  readonly amount: number;
}

export function readBudget(text: string): Budget {
  const [of, amount] = text.split("=") as [Budget["of"], string];
  return { of, amount: Number(amount) };
}

/** What a step of each phase uses up. */
export type StepCosts = Readonly<Record<"train" | "search" | "retrain", number>>;

/** Rows that a step passes through the model: in the search those of the upper level too. */
export function rowsOfStep({ batchSize, gradientAccumulation, unrollSteps }: RunConfig): StepCosts {
  const batch = batchSize * gradientAccumulation;
  return { train: batch, search: (unrollSteps + 1) * batch, retrain: batch };
}

export const ONE_A_STEP: StepCosts = { train: 1, search: 1, retrain: 1 };

/** The length of a run that uses up the budget, a search as much as the retraining after it. */
export function lengthWithin({ method }: Pick<RunConfig, "method">, amount: number, costs: StepCosts): RunSettings {
  const steps = (share: number, cost: number) => Math.max(1, Math.floor((share * amount) / cost));
  if (!METHODS[method].isBilevel) return { maxSteps: steps(1, costs.train) };
  const search = steps(0.5, costs.search);
  const left = amount - search * costs.search;
  return { maxSteps: search, retrainSteps: Math.max(1, Math.floor(left / costs.retrain)) };
}

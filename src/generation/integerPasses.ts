/** Which passes of a model add up whole numbers: see `torch.withIntegerProducts`. */
import type { TaskModel } from "../models/index.js";
import * as torch from "../torch/index.js";

/** The most tokens of a pass whose products with the model's packed weights can add up whole numbers; 0 if it has no such weights. */
export function mostIntegerTokens(model: TaskModel): number {
  const isPacked = [...model.namedParameters()].some(
    ([, of]) => of.isFilled && !of.values.isDense && of.values.dtype === "bfloat16",
  );
  return isPacked ? torch.engineFacts().integerRows : 0;
}

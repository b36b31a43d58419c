/** Which passes of a model add up whole numbers: see `torch.withIntegerProducts`. */
import type { TaskModel } from "../models/index.js";
import { PackedWeight, W8A8, type Weight } from "../nn/index.js";
import * as torch from "../torch/index.js";

/**
 * The most tokens of a pass whose products with the model's packed weights can add up whole numbers; 0 if it has no such weights. Those of
 * w8a8 always do.
 */
export function mostIntegerTokens(model: TaskModel): number {
  const isRounded = [...model.namedParameters()].some(([, of]) => of.isFilled && canRound(of.values));
  return isRounded ? torch.engineFacts().integerRows : 0;
}

const canRound = (values: Weight): boolean =>
  values instanceof PackedWeight && values.format !== W8A8 && values.dtype === "bfloat16";

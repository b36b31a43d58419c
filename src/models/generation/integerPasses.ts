/** Which passes of a model add up whole numbers: see `torch.withIntegerProducts`. */

import * as torch from "../../torch/index.js";
import type { TaskModel } from "../index.js";
import { PackedWeight, W8A8, type Weight } from "../nn/index.js";

/** Whether products with some of the model's packed weights add up whole numbers under `withIntegerProducts`. Those of w8a8 always do. */
export const hasIntegerPasses = (model: TaskModel): boolean =>
  torch.engineFacts().integerProducts &&
  [...model.namedParameters()].some(([, of]) => of.isFilled && canRound(of.values));

const canRound = (values: Weight): boolean =>
  values instanceof PackedWeight && values.format !== W8A8 && values.dtype === "bfloat16";

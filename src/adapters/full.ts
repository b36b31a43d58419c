import type { Module } from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { AdaptedModel } from "./adapted.js";
import { parametersOf, trainWhole } from "./whole.js";

/** Trains every parameter of a model, each in `dtype`: float32, or float64 for checks. */
export function trainEverything(model: Module, dtype: torch.DType = "float32"): AdaptedModel<undefined> {
  return torch.noGrad(() => {
    const trained = Array.from(parametersOf(model), (parameter) => trainWhole(parameter, dtype));
    for (const { tensor } of trained) tensor.setRequiresGrad(true);
    return { model, config: undefined, modules: [], trained, shared: undefined };
  });
}

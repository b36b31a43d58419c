// The optimizers by name.
import type { AdamWOptions } from "./adamw.js";
import * as optimizers from "./named.js";
import type { Optimizer } from "./optimizer.js";
import type { SgdOptions } from "./sgd.js";

/** The options of all optimizers, named as the run settings are. */
export type OptimizerOptions = AdamWOptions & SgdOptions;

/** The name of an optimizer. */
export type OptimizerName = keyof typeof optimizers;

/** Every optimizer by its name. */
export const OPTIMIZERS: Readonly<Record<OptimizerName, Optimizer<OptimizerOptions>>> = { ...optimizers };

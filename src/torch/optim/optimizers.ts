// The optimizers by name.
import { adafactor } from "./adafactor.js";
import { type AdamWOptions, adamw } from "./adamw.js";
import { adamw8bit } from "./adamw8bit.js";
import type { DecayOptions, Optimizer } from "./optimizer.js";
import { type SgdOptions, sgd } from "./sgd.js";

/** The options of all optimizers, named as the run settings are. */
export type OptimizerOptions = AdamWOptions & SgdOptions & DecayOptions;

const optimizers = { adamw, adamw8bit, sgd, adafactor };

/** The name of an optimizer. */
export type OptimizerName = keyof typeof optimizers;

/** Every optimizer by its name. */
export const OPTIMIZERS: Readonly<Record<OptimizerName, Optimizer<OptimizerOptions>>> = optimizers;

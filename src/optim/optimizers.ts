import { adafactor } from "./adafactor.js";
import { type AdamWOptions, adamw } from "./adamw.js";
import type { DecayOptions, Optimizer } from "./optimizer.js";
import { type SgdOptions, sgd } from "./sgd.js";

/** What all optimisers take together, named as in a run. */
export type OptimizerOptions = AdamWOptions & SgdOptions & DecayOptions;

const optimizers = { adamw, sgd, adafactor };

/** The name of an optimiser. */
export type OptimizerName = keyof typeof optimizers;

/** The optimisers by name. */
export const OPTIMIZERS: Readonly<Record<OptimizerName, Optimizer<OptimizerOptions>>> = optimizers;

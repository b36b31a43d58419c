import { OPTIMIZERS, type OptimizerName, SCHEDULES, type ScheduleName } from "../../optim/index.js";
import { COMPUTE_DTYPES } from "../../torch/index.js";
import { withOptimizersThatUse } from "../conditions.js";
import { learningRates } from "../methods.js";
import { choice, number, option, toggle, whole } from "../option.js";

const optimizers = Object.keys(OPTIMIZERS) as OptimizerName[];
const schedules = Object.keys(SCHEDULES) as ScheduleName[];

/** How it is trained. */
export const trainingOptions = {
  epochs: option(number({ above: 0 }), { group: "Training", help: "passes over the training rows", default: 3 }),
  maxSteps: option(whole(1), { group: "Training", help: "optimiser steps; wins over --epochs" }),
  batchSize: option(whole(1), { group: "Training", help: "rows in a batch", default: 32 }),
  learningRate: option(number({ least: 0 }), {
    group: "Training",
    help: "peak",
    defaultText: learningRates(),
  }),
  gradientAccumulation: option(whole(1), {
    group: "Training",
    help: "batches in an optimiser step",
    default: 1,
    advanced: true,
  }),
  gradientCheckpointing: option(toggle, {
    group: "Training",
    help: "compute each layer anew in the backward pass: less memory, more time, the same bits",
    default: false,
    advanced: true,
  }),
  optimizer: option(choice(optimizers), {
    group: "Training",
    help: "as torch's; sgd and adafactor want larger rates",
    default: "adamw",
    advanced: true,
  }),
  weightDecay: option(number({ least: 0 }), {
    group: "Training",
    help: "the optimiser's decay; not on biases and norm weights",
    default: 0.01,
    advanced: true,
  }),
  momentum: option(number({ least: 0, below: 1 }), {
    group: "Training",
    help: "what is kept of the step before",
    default: 0.9,
    advanced: true,
    acts: withOptimizersThatUse("momentum"),
  }),
  adamBeta1: option(number({ least: 0, below: 1 }), {
    group: "Training",
    help: "decay of the mean of gradients",
    default: 0.9,
    advanced: true,
    acts: withOptimizersThatUse("adamBeta1"),
  }),
  adamBeta2: option(number({ least: 0, below: 1 }), {
    group: "Training",
    help: "decay of the mean of squared gradients",
    default: 0.999,
    advanced: true,
    acts: withOptimizersThatUse("adamBeta2"),
  }),
  adamEpsilon: option(number({ above: 0 }), {
    group: "Training",
    help: "added to the denominator",
    default: 1e-8,
    advanced: true,
    acts: withOptimizersThatUse("adamEpsilon"),
  }),
  warmupRatio: option(number({ least: 0, most: 1 }), {
    group: "Training",
    help: "share of the steps in which the rate rises from 0",
    default: 0.1,
    advanced: true,
  }),
  schedule: option(choice(schedules), {
    group: "Training",
    help: "course of the rate after the warm-up",
    default: "linear",
    advanced: true,
  }),
  maxGradNorm: option(number({ above: 0 }), {
    group: "Training",
    help: "clip the norm of all gradients together",
    defaultText: "none",
    advanced: true,
  }),
  dtype: option(choice(COMPUTE_DTYPES), {
    group: "Training",
    help: "of frozen weights and computation; auto takes bfloat16 where the processor computes it fast",
    default: "auto",
    advanced: true,
  }),
  threads: option(whole(1), {
    group: "Training",
    help: "processor threads",
    defaultText: "all cores",
    advanced: true,
  }),
};

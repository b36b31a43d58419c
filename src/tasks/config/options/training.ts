/** How a model is trained: length, batches, optimizer, schedule, precision. */
import * as z from "zod";
import {
  type AppliesWhen,
  alternatives,
  choice,
  type Kind,
  number,
  option,
  toggle,
  whole,
} from "../../../base/settings/index.js";
import { BASE_DTYPES } from "../../../models/nn/index.js";
import { DEVICE_CHOICE } from "../../../torch/devices/index.js";
import { COMPUTE_DTYPES } from "../../../torch/index.js";
import {
  OPTIMIZERS,
  type OptimizerName,
  type OptimizerOptions,
  SCHEDULES,
  type ScheduleName,
} from "../../../torch/optim/index.js";
import { learningRates, withFrozenMatrices } from "../methods.js";

const optimizers = Object.keys(OPTIMIZERS) as OptimizerName[];
const schedules = Object.keys(SCHEDULES) as ScheduleName[];

/** With the optimizers for which `isMeant` is true. */
export function withOptimizers(isMeant: (name: OptimizerName) => boolean): AppliesWhen {
  const meant = optimizers.filter(isMeant);
  return {
    only: `with --optimizer ${alternatives(meant)}`,
    holds: ({ optimizer }: { readonly optimizer: OptimizerName }) => meant.includes(optimizer),
  };
}

const withOptimizersThatUse = (key: Exclude<keyof OptimizerOptions, "weightDecay">): AppliesWhen =>
  withOptimizers((name) => OPTIMIZERS[name].uses.includes(key));

const device: Kind<string> = {
  schema: z.string().regex(DEVICE_CHOICE),
  takes: "auto, cpu, cuda, cuda:N or mps",
  placeholder: "auto|cpu|cuda[:N]|mps",
  words: [],
  fromText: (given) => given,
};

export const trainingOptions = {
  epochs: option(number({ above: 0 }), { group: "Training", help: "passes over the training rows", default: 3 }),
  maxSteps: option(whole(1), { group: "Training", help: "optimizer steps to train for, instead of --epochs" }),
  batchSize: option(whole(1), { group: "Training", help: "rows in a batch", default: 32 }),
  learningRate: option(number({ least: 0 }), {
    group: "Training",
    help: "peak learning rate",
    defaultText: learningRates(),
  }),
  gradientAccumulation: option(whole(1), {
    group: "Training",
    help: "batches whose gradients are summed for one optimizer step",
    default: 1,
    advanced: true,
  }),
  gradientCheckpointing: option(toggle, {
    group: "Training",
    help: "recompute each layer in the backward pass: takes less memory and more time, with identical results",
    default: false,
    advanced: true,
  }),
  optimizer: option(choice(optimizers), {
    group: "Training",
    help: "optimizer, as PyTorch defines it; adamw8bit is bitsandbytes' AdamW with its state in 8 bits; sgd and adafactor need larger learning rates",
    default: "adamw",
    advanced: true,
  }),
  weightDecay: option(number({ least: 0 }), {
    group: "Training",
    help: "weight decay of the optimizer; biases and norm weights have none",
    default: 0.01,
    advanced: true,
  }),
  momentum: option(number({ least: 0, below: 1 }), {
    group: "Training",
    help: "momentum of SGD: the share of the previous update that is kept",
    default: 0.9,
    advanced: true,
    appliesWhen: withOptimizersThatUse("momentum"),
  }),
  adamBeta1: option(number({ least: 0, below: 1 }), {
    group: "Training",
    help: "decay rate of Adam's running mean of gradients",
    default: 0.9,
    advanced: true,
    appliesWhen: withOptimizersThatUse("adamBeta1"),
  }),
  adamBeta2: option(number({ least: 0, below: 1 }), {
    group: "Training",
    help: "decay rate of Adam's running mean of squared gradients",
    default: 0.999,
    advanced: true,
    appliesWhen: withOptimizersThatUse("adamBeta2"),
  }),
  adamEpsilon: option(number({ above: 0 }), {
    group: "Training",
    help: "constant added to the denominator of Adam's update",
    default: 1e-8,
    advanced: true,
    appliesWhen: withOptimizersThatUse("adamEpsilon"),
  }),
  warmupRatio: option(number({ least: 0, most: 1 }), {
    group: "Training",
    help: "share of the steps over which the learning rate rises from 0 to its peak",
    default: 0.1,
    advanced: true,
  }),
  schedule: option(choice(schedules), {
    group: "Training",
    help: "learning-rate schedule after the warm-up",
    default: "linear",
    advanced: true,
  }),
  maxGradNorm: option(number({ above: 0 }), {
    group: "Training",
    help: "clip the norm over all gradients to this value",
    defaultText: "none",
    advanced: true,
  }),
  onNonfinite: option(choice(["stop", "skip"]), {
    group: "Training",
    help: "what to do if a batch's loss or gradient is not finite: stop, or go on with the next batch",
    default: "stop",
    advanced: true,
    rare: true,
  }),
  maxSkipped: option(whole(1), {
    group: "Training",
    help: "how many batches that are not finite are skipped before the run stops",
    default: 10,
    advanced: true,
    rare: true,
    appliesWhen: {
      only: "with --on-nonfinite skip",
      holds: ({ onNonfinite }: { readonly onNonfinite?: string }) => onNonfinite === "skip",
    },
  }),
  dtype: option(choice(COMPUTE_DTYPES), {
    group: "Training",
    help: "data type of frozen weights and of the computation; auto is bfloat16 if the processor computes it fast; float16 is for GPUs without bfloat16",
    default: "auto",
    advanced: true,
  }),
  baseDtype: option(choice(BASE_DTYPES), {
    group: "Training",
    help: "how frozen weight matrices are held: packed in a quantization format, or in another data type",
    defaultText: "as --dtype",
    advanced: true,
    rare: true,
    appliesWhen: withFrozenMatrices,
  }),
  device: option(device, {
    group: "Training",
    help: "where to compute: auto is a CUDA card that libtorch can use, or else MPS, or else the CPU",
    default: "auto",
    advanced: true,
    rare: true,
  }),
  threads: option(whole(1), {
    group: "Training",
    help: "processor threads to use",
    defaultText: "all cores",
    advanced: true,
  }),
};

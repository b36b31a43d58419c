/** How a model is trained: length, batches, optimizer, schedule, precision. */
import * as z from "zod";
import {
  type AppliesWhen,
  alternatives,
  choice,
  group,
  type Kind,
  number,
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
import { learningRates, methodsWith, withFrozenMatrices } from "../methods.js";

const training = group("Training");

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

/** An option that some optimizers use, with its default, and the defaults of those optimizers that have another one. */
function ofOptimizers(key: keyof OptimizerOptions, usual: number) {
  const own = optimizers.map((name) => [name, OPTIMIZERS[name].defaults?.[key]] as const);
  const others = own.filter(([, value]) => value !== undefined).map((pair) => pair.join(": "));
  return {
    default: usual,
    appliesWhen: withOptimizers((name) => OPTIMIZERS[name].uses.includes(key)),
    ...(others.length > 0 && { defaultText: [usual, ...others].join("; ") }),
  };
}

/** What LoRA+ raises the rate of, in the lower level or the only one. */
const withMatricesBelow: AppliesWhen = {
  only: `with --method ${alternatives(methodsWith("initLoraWeights"))}, and not where --upper lora-b leaves LoRA's A alone to the lower level`,
  holds: ({ method, upper }: LevelsGiven) =>
    (methodsWith("initLoraWeights") as readonly string[]).includes(method ?? "") &&
    !(method === "lora" && upper === "lora-b"),
};

/** The upper level has a rate of its own. */
const withHeadBelow: AppliesWhen = {
  only: "without --upper head, which trains the head with --upper-learning-rate",
  holds: ({ upper }: LevelsGiven) => upper !== "head",
};

interface LevelsGiven {
  readonly method?: string;
  readonly upper?: string;
}

const device: Kind<string> = {
  schema: z.string().regex(DEVICE_CHOICE),
  takes: "auto, cpu, cuda, cuda:N or mps",
  placeholder: "auto|cpu|cuda[:N]|mps",
  words: [],
  fromText: (given) => given,
};

export const trainingOptions = {
  epochs: training(number({ above: 0 }), "passes over the training rows", { default: 3 }),
  maxSteps: training(whole(1), "optimizer steps to train for, instead of --epochs"),
  batchSize: training(whole(1), "rows in a batch", { default: 32 }),
  learningRate: training(number({ least: 0 }), "peak learning rate", { defaultText: learningRates() }),
  loraplusRatio: training.rare(
    number({ above: 0 }),
    "learning rate of B and of magnitudes over that of the rest (LoRA+)",
    { default: 1, appliesWhen: withMatricesBelow },
  ),
  headLearningRate: training.rare(number({ least: 0 }), "peak learning rate of the head", {
    defaultText: "as --learning-rate",
    appliesWhen: withHeadBelow,
  }),
  gradientAccumulation: training.advanced(whole(1), "batches whose gradients are summed for one optimizer step", {
    default: 1,
  }),
  gradientCheckpointing: training.advanced(
    toggle,
    "recompute each layer in the backward pass: takes less memory and more time, with identical results",
    { default: false },
  ),
  optimizer: training.advanced(
    choice(optimizers),
    "optimizer, as PyTorch defines it; adamw8bit is bitsandbytes' AdamW with its state in 8 bits; sgd and adafactor need larger learning rates, lion (of its paper) 3 to 10 times smaller ones",
    { default: "adamw" },
  ),
  weightDecay: training.advanced(
    number({ least: 0 }),
    "weight decay of the optimizer; biases and norm weights have none",
    { default: 0.01 },
  ),
  momentum: training.advanced(
    number({ least: 0, below: 1 }),
    "momentum of SGD: the share of the previous update that is kept",
    ofOptimizers("momentum", 0.9),
  ),
  adamBeta1: training.advanced(
    number({ least: 0, below: 1 }),
    "decay rate of Adam's running mean of gradients; in Lion, the share of the mean in a step's direction",
    ofOptimizers("adamBeta1", 0.9),
  ),
  adamBeta2: training.advanced(
    number({ least: 0, below: 1 }),
    "decay rate of Adam's running mean of squared gradients; in Lion, of its mean of gradients",
    ofOptimizers("adamBeta2", 0.999),
  ),
  adamEpsilon: training.advanced(
    number({ above: 0 }),
    "constant added to the denominator of Adam's update",
    ofOptimizers("adamEpsilon", 1e-8),
  ),
  warmupRatio: training.advanced(
    number({ least: 0, most: 1 }),
    "share of the steps over which the learning rate rises from 0 to its peak",
    { default: 0.1 },
  ),
  schedule: training.advanced(choice(schedules), "learning-rate schedule after the warm-up", { default: "linear" }),
  maxGradNorm: training.advanced(number({ above: 0 }), "clip the norm over all gradients to this value", {
    defaultText: "none",
  }),
  onNonfinite: training.rare(
    choice(["stop", "skip"]),
    "what to do if a batch's loss or gradient is not finite: stop, or go on with the next batch",
    { default: "stop" },
  ),
  maxSkipped: training.rare(whole(1), "how many batches that are not finite are skipped before the run stops", {
    default: 10,
    appliesWhen: {
      only: "with --on-nonfinite skip",
      holds: ({ onNonfinite }: { readonly onNonfinite?: string }) => onNonfinite === "skip",
    },
  }),
  dtype: training.advanced(
    choice(COMPUTE_DTYPES),
    "data type of frozen weights and of the computation; auto is bfloat16 if the processor computes it fast; float16 is for GPUs without bfloat16",
    { default: "auto" },
  ),
  baseDtype: training.rare(
    choice(BASE_DTYPES),
    "how frozen weight matrices are held: packed in a quantization format, or in another data type",
    { defaultText: "as --dtype", appliesWhen: withFrozenMatrices },
  ),
  device: training.rare(
    device,
    "where to compute: auto is a CUDA card that libtorch can use, or else MPS, or else the CPU",
    { default: "auto" },
  ),
  threads: training.advanced(whole(1), "processor threads to use", { defaultText: "all cores" }),
};

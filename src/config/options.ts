/**
 * The one schema of a run. Flags, `--help`, the YAML file, `run.yaml` and `docs/options.md` derive from `runOptions`.
 */
import { OPTIMIZERS, type OptimizerName, SCHEDULES, type ScheduleName } from "../optim/index.js";
import { namedDatasets, TASKS } from "../tasks/index.js";
import {
  whereUsed,
  withDerivative,
  withEstimators,
  withFiles,
  withMethods,
  withNamedDataset,
  withOptimizersThatUse,
  withoutRetrainSteps,
  withRetraining,
  withSaving,
} from "./conditions.js";
import { learningRates, methodNames } from "./methods.js";
import {
  choice,
  choiceOrNumber,
  type Given,
  modules,
  names,
  number,
  option,
  pattern,
  text,
  toggle,
  type Values,
  whole,
} from "./option.js";
import type { Sources } from "./precedence.js";

const taskKinds = Object.keys(TASKS) as (keyof typeof TASKS)[];
const optimizers = Object.keys(OPTIMIZERS) as OptimizerName[];
const schedules = Object.keys(SCHEDULES) as ScheduleName[];
const datasets = Object.keys(namedDatasets) as (keyof typeof namedDatasets)[];

const bilevel = withMethods("bidora");

const folder = text("DIR");
const file = text("FILE");

/** Every option of a fine-tuning run, in the order in which help and documentation show them. */
export const runOptions = {
  model: option(text("DIR|REPO"), { group: "Model", help: "a local folder or a Hub repository" }),
  revision: option(text("REV"), {
    group: "Model",
    help: "branch, tag or commit of the repository",
    defaultText: "main",
    advanced: true,
  }),
  adapter: option(folder, { group: "Model", help: "start from this adapter, not a fresh one", advanced: true }),
  initWeights: option(choice(["pretrained-head", "new-head"]), {
    group: "Model",
    help: "keep the checkpoint's own head when it fits the labels, or draw a new one from the seed",
    default: "pretrained-head",
    advanced: true,
  }),

  task: option(choice([...taskKinds, ...datasets]), {
    group: "Data",
    help: "a kind of task, or a data set such as glue/mrpc",
    placeholder: "TASK",
  }),
  data: option(folder, { group: "Data", help: "the folder of a named data set", acts: withNamedDataset }),
  train: option(file, { group: "Data", help: "training rows: JSONL, CSV, TSV, Parquet, CoNLL" }),
  validation: option(file, { group: "Data", help: "rows to evaluate on" }),
  test: option(file, { group: "Data", help: "rows for the figures at the end", advanced: true }),
  textColumns: option(names("A[,B]"), {
    group: "Data",
    help: "the one or two text columns",
    defaultText: "by name",
    advanced: true,
    acts: withFiles,
  }),
  labelColumn: option(names("NAME"), {
    group: "Data",
    help: "the label, or several 0/1 columns",
    defaultText: "by name",
    advanced: true,
    acts: withFiles,
  }),
  maxLength: option(whole(1), {
    group: "Data",
    help: "tokens kept of a row, special tokens included; the default is capped by what tokenizer and model allow",
    default: 512,
    advanced: true,
  }),
  shuffle: option(toggle, { group: "Data", help: "draw rows in random order", default: true, advanced: true }),
  dropLast: option(toggle, {
    group: "Data",
    help: "leave out the short last batch of a pass",
    default: false,
    advanced: true,
  }),
  seed: option(whole(0), { group: "Data", help: "of every random number of the run", default: 0, advanced: true }),

  method: option(choice(methodNames), {
    group: "Method",
    help: methodNames.join(", "),
    placeholder: "NAME",
    default: "bidora",
  }),
  targetModules: option(modules, {
    group: "Method",
    placeholder: "M",
    help: "query,value; a pattern; or all-linear",
    defaultText: "by model",
    acts: whereUsed("targetModules"),
  }),
  rank: option(whole(1), { group: "Method", help: "of the low-rank update", default: 8, acts: whereUsed("rank") }),
  alpha: option(number({ above: 0 }), {
    group: "Method",
    help: "the update is scaled by alpha / rank",
    default: 16,
    advanced: true,
    acts: whereUsed("alpha"),
  }),
  dropout: option(number({ least: 0, below: 1 }), {
    group: "Method",
    help: "on the input of the low-rank branch",
    default: 0,
    advanced: true,
    acts: whereUsed("dropout"),
  }),
  rslora: option(toggle, {
    group: "Method",
    help: "scale by alpha / sqrt(rank) instead",
    default: false,
    advanced: true,
    acts: whereUsed("rslora"),
  }),
  rankPattern: option(pattern(whole(1)), {
    group: "Method",
    help: "other ranks for the modules that match",
    defaultText: "none",
    advanced: true,
    acts: whereUsed("rankPattern"),
  }),
  alphaPattern: option(pattern(number({ above: 0 })), {
    group: "Method",
    help: "other alphas for the modules that match",
    defaultText: "none",
    advanced: true,
    acts: whereUsed("alphaPattern"),
  }),
  magnitudeAxis: option(choice(["out", "in"]), {
    group: "Method",
    help: "one magnitude for each output row, or for each input column",
    default: "out",
    advanced: true,
    acts: whereUsed("magnitudeAxis"),
  }),
  normGradient: option(choice(["detached", "full"]), {
    group: "Method",
    help: "whether gradients flow through the direction's norm",
    defaultText: "bidora: full, else detached",
    advanced: true,
    acts: whereUsed("normGradient"),
  }),

  epochs: option(number({ above: 0 }), { group: "Training", help: "passes over the training rows", default: 3 }),
  maxSteps: option(whole(1), { group: "Training", help: "optimiser steps; wins over --epochs" }),
  batchSize: option(whole(1), { group: "Training", help: "rows in a batch", default: 32 }),
  learningRate: option(number({ least: 0 }), {
    group: "Training",
    help: "peak rate",
    defaultText: learningRates(),
  }),
  gradientAccumulation: option(whole(1), {
    group: "Training",
    help: "batches in an optimiser step",
    default: 1,
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
  dtype: option(choice(["auto", "float32", "bfloat16"]), {
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

  hypergradient: option(choice(["finite-difference", "forward-difference", "exact", "neumann", "cg", "first-order"]), {
    group: "BiDoRA",
    help: "how the upper level's gradient is estimated",
    placeholder: "NAME",
    default: "exact",
    acts: bilevel,
  }),
  searchFraction: option(number({ above: 0, below: 1 }), {
    group: "BiDoRA",
    help: "share of the rows for the lower level",
    default: 0.8,
    advanced: true,
    acts: bilevel,
  }),
  retrainSteps: option(whole(0), {
    group: "BiDoRA",
    help: "of the retrain phase; 0 skips it",
    defaultText: "as the search",
    acts: bilevel,
  }),
  retrainEpochs: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "passes of the retrain phase",
    defaultText: "as the search",
    advanced: true,
    acts: withoutRetrainSteps,
  }),
  retrainLearningRate: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "peak rate of the retrain phase",
    defaultText: "as the search",
    advanced: true,
    acts: withRetraining,
  }),
  upperLearningRate: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "peak rate of the magnitudes",
    defaultText: "as lower",
    advanced: true,
    acts: bilevel,
  }),
  upperWeightDecay: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "the optimiser's decay on the magnitudes",
    default: 0,
    advanced: true,
    acts: bilevel,
  }),
  xi: option(choiceOrNumber(["learning-rate", "optimizer"]), {
    group: "BiDoRA",
    help: "step size in the second term: the lower rate, the true derivative of the optimiser's step, or a number",
    default: "learning-rate",
    advanced: true,
    acts: withEstimators("exact", "finite-difference", "forward-difference"),
    wordActs: { optimizer: withDerivative },
  }),
  unrollSteps: option(whole(1), {
    group: "BiDoRA",
    help: "lower steps in a search step",
    default: 1,
    advanced: true,
    acts: bilevel,
  }),
  hypergradientTerms: option(whole(1), {
    group: "BiDoRA",
    help: "terms or iterations of neumann and cg",
    default: 5,
    advanced: true,
    acts: withEstimators("neumann", "cg"),
  }),
  regularizer: option(number({ least: 0 }), {
    group: "BiDoRA",
    help: "weight of the orthogonality of direction columns",
    default: 1e-5,
    advanced: true,
    acts: bilevel,
  }),

  output: option(folder, { group: "Output", help: "where results go", defaultText: "runs/TASK-METHOD" }),
  overwrite: option(toggle, {
    group: "Output",
    help: "replace a run that is there; other files stay",
    default: false,
    session: true,
  }),
  resume: option(toggle, { group: "Output", help: "go on from the last checkpoint", default: false, session: true }),
  evalEvery: option(whole(1), {
    group: "Output",
    help: "steps between evaluations",
    defaultText: "at the end",
    advanced: true,
  }),
  saveEvery: option(whole(1), {
    group: "Output",
    help: "steps between checkpoints",
    defaultText: "none",
    advanced: true,
  }),
  keepCheckpoints: option(whole(1), {
    group: "Output",
    help: "newest checkpoints kept",
    defaultText: "all",
    advanced: true,
    acts: withSaving,
  }),
  earlyStopping: option(whole(1), {
    group: "Output",
    help: "stop after this many evaluations without a better result",
    defaultText: "off",
    advanced: true,
  }),
  profile: option(toggle, {
    group: "Output",
    help: "record a few steps: time by operator and module, and a trace for Chrome",
    default: false,
    session: true,
    advanced: true,
  }),
  json: option(toggle, {
    group: "Output",
    help: "results and events as JSON on stdout",
    default: false,
    session: true,
    advanced: true,
  }),
  quiet: option(toggle, {
    group: "Output",
    help: "no progress, no notes",
    default: false,
    session: true,
    advanced: true,
  }),
  debug: option(toggle, {
    group: "Output",
    help: "show the stack trace of an error",
    default: false,
    session: true,
    advanced: true,
  }),
};

export type RunTable = typeof runOptions;
export type RunKey = keyof RunTable;

/** What a user set by hand, on the command line, in a YAML file or in a call. */
export type RunSettings = Given<RunTable>;

/** Options whose default follows from others, after they are resolved. */
type Resolved = "model" | "normGradient" | "learningRate" | "upperLearningRate" | "retrainLearningRate" | "output";

/** A run with every setting resolved that does not depend on the model's or the data's files. */
export type RunConfig = Omit<Values<RunTable>, Resolved> & {
  readonly [K in Resolved]: NonNullable<Values<RunTable>[K]>;
} & {
  /** What was set by hand: a conflict with an adapter is an error only for these. */
  readonly given: RunSettings;
  /** What has settled all of it. */
  readonly sources: Sources;
};

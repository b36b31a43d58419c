import { own } from "../common/collections.js";
import type { Command } from "./command.js";

interface Entry {
  readonly about: string;
  /** Whether it computes: libtorch is then loaded from the beginning, while modules and files are read. */
  readonly usesEngine?: boolean;
  /** Loads the command's module only when it is called, so that `bidora --help` is quick and needs no engine. */
  load(): Promise<Command>;
}

/** Every command by name, in the order of `bidora --help`. */
export const COMMANDS: Readonly<Record<string, Entry>> = {
  quickstart: {
    usesEngine: true,
    about: "compare LoRA, DoRA and BiDoRA on real data in a few minutes",
    load: async () => (await import("./quickstart.js")).quickstart,
  },
  finetune: { usesEngine: true, about: "train a model", load: async () => (await import("./finetune.js")).finetune },
  evaluate: {
    usesEngine: true,
    about: "metrics on labelled rows",
    load: async () => (await import("./evaluate.js")).evaluate,
  },
  predict: {
    usesEngine: true,
    about: "one JSON line out for each row in",
    load: async () => (await import("./predict.js")).predict,
  },
  generate: {
    usesEngine: true,
    about: "text that goes on from a prompt",
    load: async () => (await import("./generate.js")).generate,
  },
  compare: {
    about: "methods against each other, with tests",
    load: async () => (await import("./compare.js")).compare,
  },
  merge: {
    usesEngine: true,
    about: "adapter and base as one plain model",
    load: async () => (await import("./merge.js")).merge,
  },
  export: {
    usesEngine: true,
    about: "an adapter in another format",
    load: async () => (await import("./export.js")).exportAdapter,
  },
  preview: {
    about: "training rows as the model gets them",
    load: async () => (await import("./preview.js")).preview,
  },
  estimate: {
    about: "parameters, memory and time before a run",
    load: async () => (await import("./estimate.js")).estimate,
  },
  inspect: { about: "what is in a model or an adapter", load: async () => (await import("./inspect.js")).inspect },
  report: { about: "runs as one self-contained HTML file", load: async () => (await import("./report.js")).report },
  analyze: {
    usesEngine: true,
    about: "how weights moved, magnitude and direction apart",
    load: async () => (await import("./analyze.js")).analyze,
  },
  "verify-hypergradient": {
    usesEngine: true,
    about: "an estimator against the exact hypergradient",
    load: async () => (await import("./verifyHypergradient.js")).verifyHypergradient,
  },
  download: { about: "a Hub model into the cache", load: async () => (await import("./download.js")).download },
  doctor: { about: "engine, BLAS, threads, bfloat16", load: async () => (await import("./doctor.js")).doctor },
  setup: { about: "install and build what is needed", load: async () => (await import("./setup.js")).setup },
};

/** Undefined where there is none of that name. */
export const commandNamed = (name = ""): Entry | undefined => own(COMMANDS, name);

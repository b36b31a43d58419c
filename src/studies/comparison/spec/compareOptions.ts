// The options of a comparison: its own, and those of its runs.
import * as z from "zod";
import {
  type AppliesWhen,
  asRare,
  choice,
  type Given,
  type Kind,
  names,
  number,
  omit,
  option,
  pick,
  separated,
  text,
  toggle,
  whole,
} from "../../../base/settings/index.js";
import { runOptions } from "../../../tasks/config/index.js";
import { launcherNames } from "../jobs/launchers.js";

const WHOLE = /^\d+$/;

/** Whole numbers separated by commas; a list in YAML. */
const seeds: Kind<readonly number[]> = {
  schema: z.array(z.int().min(0)).min(1),
  takes: "whole numbers separated by commas, like 0,1,2",
  placeholder: "N,…",
  words: [],
  fromText: (given) => given.split(",").map((seed) => (WHOLE.test(seed.trim()) ? Number(seed) : seed)),
  textPattern: separated(String.raw`\d+`),
};

/** An entry of a file's list of tasks or methods: a name with settings. */
type Entry = Readonly<Record<string, unknown>>;

/** Names, or in a file entries with settings. */
const namesOrEntries = (takes: string): Kind<readonly (string | Entry)[]> => ({
  schema: z.array(z.union([z.string().min(1), z.record(z.string(), z.unknown())])).min(1),
  takes,
  placeholder: "NAMES",
  words: [],
  fromText: (given) => given.split(",").map((name) => name.trim()),
  textPattern: names("").textPattern!,
});

const tasks = namesOrEntries("names separated by commas; in a file a list of tasks, each with a name and its settings");
const methods = namesOrEntries(
  "names separated by commas; in a file also entries with a name, a method and its settings",
);

/** Values to try by setting. */
const grid: Kind<readonly string[] | Readonly<Record<string, readonly unknown[]>>> = {
  schema: z.union([z.array(z.string().regex(/^[^=]+=.+$/)).min(1), z.record(z.string(), z.array(z.unknown()).min(1))]),
  takes: "a setting and values to try, like learningRate=1e-4,3e-4; repeatable",
  placeholder: "KEY=A,B",
  words: [],
  isRepeated: true,
  fromText: (given) => [given],
  textPattern: "^[^=]+=.+$",
};

const perMethod: Kind<Readonly<Record<string, Entry>>> = {
  schema: z.record(z.string(), z.record(z.string(), z.unknown())),
  takes: "a mapping from methods to settings, in a file",
  placeholder: "…",
  words: [],
  fromText: (given) => given,
};

/** Pairs of methods, each with a colon between its names. */
const pairs: Kind<readonly string[]> = {
  schema: z.array(z.string().regex(/^[^:]+:[^:]+$/)).min(1),
  takes: "pairs of methods separated by commas, like dora:bidora,lora:bidora",
  placeholder: "A:B,…",
  words: [],
  fromText: (given) => given.split(",").map((pair) => pair.trim()),
  textPattern: separated("[^:,]+:[^:,]+"),
};

const BUDGET = /^(steps|rows|seconds)=\d+(\.\d+)?$/;
const budget: Kind<string> = {
  schema: z.string().regex(BUDGET),
  takes: "steps=N, rows=N or seconds=N",
  placeholder: "WHAT=N",
  words: [],
  fromText: (given) => given,
};

/** Three modes start no runs. */
const whereRun: AppliesWhen = {
  only: "without --list, --collect or --dry-run",
  holds: ({ list, collect, dryRun }: { list?: boolean; collect?: boolean; dryRun?: boolean }) =>
    !(list || collect || dryRun),
};

/** Where results are printed as text. */
const whereShown: AppliesWhen = {
  only: "without --list, --dry-run or --json",
  holds: ({ list, dryRun, json }: { list?: boolean; dryRun?: boolean; json?: boolean }) => !(list || dryRun || json),
};

/** Where nothing is run, but costs are estimated. */
const whereExpected: AppliesWhen = {
  only: "with --dry-run",
  holds: ({ dryRun }: { dryRun?: boolean }) => dryRun === true,
};

export const comparisonOptions = {
  methods: option(methods, {
    group: "Comparison",
    help: "methods, variants such as lora+es or lora+pissa, methods that the file defines",
    default: ["lora", "dora", "bidora"],
  }),
  seeds: option(seeds, { group: "Comparison", help: "run each method with each of these seeds", default: [0] }),
  dataSeeds: option(seeds, {
    group: "Comparison",
    help: "run each seed with each of these seeds of the rows (--data-seed)",
    defaultText: "as the seed",
  }),
  tasks: option(tasks, {
    group: "Comparison",
    help: "which of the file's tasks to use",
    defaultText: "all",
  }),
  tune: option(grid, {
    group: "Comparison",
    help: "values to choose from for each method and task, on held-out training rows",
    defaultText: "none",
  }),
  tuneSeed: option(whole(0), {
    group: "Comparison",
    help: "the seed of the runs that --tune makes, such as one that no reported run has",
    defaultText: "the first of --seeds",
    advanced: true,
    rare: true,
  }),
  grid: option(grid, { group: "Comparison", help: "another name of --tune", defaultText: "none", advanced: true }),
  curve: option(grid, {
    group: "Comparison",
    help: "train every seed with each of these values of one setting, and draw the scores over it",
    defaultText: "none",
    advanced: true,
  }),
  budget: option(budget, {
    group: "Comparison",
    help: "give every method the same optimizer steps, training rows, or seconds of training",
    defaultText: "the run's length in each phase",
  }),
  perMethod: option(perMethod, {
    group: "Comparison",
    help: "settings of single methods, in the file only",
    advanced: true,
    rare: true,
  }),
  mainMetric: option(text("NAME"), {
    group: "Comparison",
    help: "the metric by which methods are compared and tested, of all tasks or, in a file, of one",
    defaultText: "the task's",
    advanced: true,
    rare: true,
  }),
  reach: option(number(), {
    group: "Comparison",
    help: "a score of the main metric; adds a column with the cost to reach it (with --eval-every)",
    defaultText: "none",
    advanced: true,
    rare: true,
  }),
  margin: option(number({ above: 0 }), {
    group: "Comparison",
    help: "test whether methods differ by less than this in each task's main metric; other metrics are not tested for it",
    defaultText: "not tested",
    advanced: true,
  }),
  pairs: option(pairs, {
    group: "Comparison",
    help: "test these pairs of methods alone, which are then the family that p-values are corrected in",
    defaultText: "every two methods",
    advanced: true,
  }),
  freeze: option(text("FILE"), {
    group: "Comparison",
    help: "write the plan with its hash to this file or, if it exists, report what departs from the plan in it",
    defaultText: "none",
    advanced: true,
  }),
  jobs: option(whole(1), {
    group: "Comparison",
    help: "runs at the same time, which share the cores, or jobs in the scheduler's queue",
    defaultText: "1; with a scheduler all",
  }),
  launcher: option(choice(launcherNames), {
    group: "Comparison",
    help: "make the runs on this machine, or as jobs of Slurm or Ray, on machines with the same folders",
    default: "local",
    session: true,
    appliesWhen: whereRun,
  }),
  list: option(toggle, {
    group: "Comparison",
    help: "print a shell command per run instead of running them",
    default: false,
    session: true,
  }),
  collect: option(toggle, {
    group: "Comparison",
    help: "only summarize the runs that are there",
    default: false,
    session: true,
  }),
  dryRun: option(toggle, {
    group: "Comparison",
    help: "only estimate the cost and which differences would show",
    default: false,
    session: true,
  }),
  pilot: option(text("DIR"), {
    group: "Comparison",
    help: "a comparison's folder whose runs show how scores vary, with --dry-run",
    defaultText: "--output",
    advanced: true,
    rare: true,
    session: true,
    appliesWhen: whereExpected,
  }),
};

/** Options at the top of the help text, as for a run. */
const MAIN = ["model", "task", "train", "validation", "epochs", "maxSteps"] as const;
/** Options that the comparison sets for each run. */
const SET = ["method", "seed", "dataSeed", "output", "overwrite", "resume", "profile", "adapter", "dashboard"] as const;

export const compareOptions = {
  ...comparisonOptions,
  ...pick(runOptions, ...MAIN),
  ...asRare(omit(runOptions, ...MAIN, ...SET)),
  dashboard: {
    ...runOptions.dashboard,
    help: "serve the progress live on this machine, on any free port or =PORT",
    appliesWhen: whereRun,
  },
  output: option(text("DIR"), {
    group: "Output",
    help: "folder for the runs and the tables",
    default: "runs/comparison",
  }),
  overwrite: {
    ...runOptions.overwrite,
    help: "replace an earlier comparison in the output folder; other files stay",
    appliesWhen: whereRun,
  },
  verbose: option(toggle, {
    group: "Output",
    help: "print all tables, tests and notes",
    default: false,
    session: true,
    appliesWhen: whereShown,
  }),
};

/** The settings of a comparison, without its file. */
export type ComparisonSettings = Given<typeof compareOptions>;

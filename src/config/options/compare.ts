import * as z from "zod";
import { type Kind, names, number, option, toggle, whole } from "../option.js";

const WHOLE = /^\d+$/;

/** Whole numbers separated by commas; a list in YAML. */
const seeds: Kind<readonly number[]> = {
  schema: z.array(z.int().min(0)).min(1),
  takes: "whole numbers separated by commas, like 0,1,2",
  placeholder: "N,…",
  words: [],
  fromText: (given) => given.split(",").map((seed) => (WHOLE.test(seed.trim()) ? Number(seed) : seed)),
};

/** A task of several: its settings, in a file; on the command line the names of those to take. */
export type TaskEntry = Readonly<Record<string, unknown>>;

const tasks: Kind<readonly (string | TaskEntry)[]> = {
  schema: z.array(z.union([z.string().min(1), z.record(z.string(), z.unknown())])).min(1),
  takes: "names separated by commas; in a file a list of tasks, each with a name and its settings",
  placeholder: "NAMES",
  words: [],
  fromText: (given) => given.split(",").map((name) => name.trim()),
};

/** Settings by name, each with the values to try. */
const grid: Kind<readonly string[] | Readonly<Record<string, readonly unknown[]>>> = {
  schema: z.union([z.array(z.string().regex(/^[^=]+=.+$/)).min(1), z.record(z.string(), z.array(z.unknown()).min(1))]),
  takes: "a setting and values to try, like learningRate=1e-4,3e-4; given several times, several",
  placeholder: "KEY=A,B",
  words: [],
  isRepeated: true,
  fromText: (given) => [given],
};

const perMethod: Kind<Readonly<Record<string, TaskEntry>>> = {
  schema: z.record(z.string(), z.record(z.string(), z.unknown())),
  takes: "a mapping from methods to settings, in a file",
  placeholder: "…",
  words: [],
  fromText: (given) => given,
};

const BUDGET = /^(steps|rows|seconds)=\d+(\.\d+)?$/;
const budget: Kind<string> = {
  schema: z.string().regex(BUDGET),
  takes: "steps=N, rows=N or seconds=N",
  placeholder: "WHAT=N",
  words: [],
  fromText: (given) => given,
};

/** What is compared, and how its runs are done. */
export const comparisonOptions = {
  methods: option(names("NAMES"), {
    group: "Comparison",
    help: "methods, and variants such as lora+es",
    default: ["lora", "dora", "bidora"],
  }),
  seeds: option(seeds, { group: "Comparison", help: "each method is run once with each", default: [0] }),
  tasks: option(tasks, { group: "Comparison", help: "of the file's tasks those to take", defaultText: "all" }),
  grid: option(grid, {
    group: "Comparison",
    help: "values to choose from for each method and task, on a part of the training rows",
    defaultText: "none",
  }),
  budget: option(budget, {
    group: "Comparison",
    help: "the same for every method: optimiser steps, rows passed through, or seconds of training",
    defaultText: "the run's length in each phase",
  }),
  perMethod: option(perMethod, {
    group: "Comparison",
    help: "settings of single methods, in the file",
    advanced: true,
  }),
  reach: option(number(), {
    group: "Comparison",
    help: "a score of the main metric: the cost to reach it is a column (with --eval-every)",
    defaultText: "none",
    advanced: true,
  }),
  jobs: option(whole(1), { group: "Comparison", help: "runs at once, with the cores shared out", default: 1 }),
  list: option(toggle, {
    group: "Comparison",
    help: "print one shell command a run, and run none",
    default: false,
    session: true,
  }),
  collect: option(toggle, {
    group: "Comparison",
    help: "only gather the runs that are there",
    default: false,
    session: true,
  }),
  dryRun: option(toggle, { group: "Comparison", help: "say what it would cost", default: false, session: true }),
};

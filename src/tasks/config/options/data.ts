/** The model a run starts from, and its rows: files, columns, order. */

import {
  type AppliesWhen,
  both,
  choice,
  names,
  number,
  option,
  text,
  toggle,
  whole,
} from "../../../base/settings/index.js";
import { TRAIN_ON } from "../../../models/adapters/index.js";
import { INIT_WEIGHTS } from "../../../models/index.js";
import { isNamedDataset, namedDatasets } from "../../datasets/namedDatasets.js";
import { TASKS } from "../../index.js";

const taskKinds = Object.keys(TASKS) as (keyof typeof TASKS)[];
const datasets = Object.keys(namedDatasets) as (keyof typeof namedDatasets)[];
const folder = text("DIR");
const file = text("FILE");

/** The settings that the conditions below read. */
type DataValues = {
  readonly task?: string | undefined;
  readonly data?: string | undefined;
  readonly train?: string | undefined;
  readonly validation?: string | undefined;
  readonly test?: string | undefined;
  readonly testSplit?: boolean | undefined;
};

const isNamed = (task: string | undefined): boolean => task !== undefined && isNamedDataset(task);

/** A file given for a split of the data set replaces that split. */
const withNamedDataset: AppliesWhen = {
  only: "with a named data set as --task, such as glue/mrpc, unless --train and --validation replace all its rows",
  holds: ({ task, train, validation, testSplit }: DataValues) =>
    isNamed(task) && (train === undefined || validation === undefined || testSplit === true),
};

/** Test rows without labels, such as GLUE's, can't be evaluated. */
const withTestSplit: AppliesWhen = {
  only: "with --data and a named data set as --task that has labeled test rows, such as reuters21578/modapte, and without --test",
  holds: ({ task, data, test }: DataValues) =>
    task !== undefined &&
    isNamedDataset(task) &&
    namedDatasets[task].labeled.includes("test") &&
    data !== undefined &&
    test === undefined,
};

/** The columns of a named data set's own files are known. */
const withFiles: AppliesWhen = {
  only: "on your own files, not on those of a named data set",
  holds: ({ task, data, train, validation, test }: DataValues) =>
    !isNamed(task) || data === undefined || [train, validation, test].some((file) => file !== undefined),
};

export const modelOptions = {
  model: option(text("DIR|GGUF|REPO"), { group: "Model", help: "a local folder, a GGUF file or a Hub repository" }),
  revision: option(text("REV"), {
    group: "Model",
    help: "branch, tag or commit of the Hub repository",
    defaultText: "main",
    advanced: true,
  }),
  adapter: option(folder, {
    group: "Model",
    help: "continue training this adapter instead of a fresh one, on its own base model unless --model names another",
    advanced: true,
  }),
  initWeights: option(choice(INIT_WEIGHTS), {
    group: "Model",
    help: "keep the checkpoint's own head if it fits the labels, or initialize a new one from the seed",
    default: "pretrained-head",
    advanced: true,
  }),
};

export const dataOptions = {
  task: option(choice([...taskKinds, ...datasets]), {
    group: "Data",
    help: "a kind of task, or a data set such as glue/mrpc",
    placeholder: "TASK",
  }),
  data: option(folder, {
    group: "Data",
    help: "folder of the named data set",
    advanced: true,
    appliesWhen: withNamedDataset,
  }),
  train: option(file, { group: "Data", help: "training rows: JSONL, CSV, TSV, Parquet, CoNLL" }),
  validation: option(file, { group: "Data", help: "rows to evaluate on during and after training" }),
  test: option(file, { group: "Data", help: "rows for a final evaluation after training", advanced: true }),
  testSplit: option(toggle, {
    group: "Data",
    help: "use a named data set's labeled test rows for a final evaluation",
    defaultText: "on if it has no validation rows",
    advanced: true,
    appliesWhen: withTestSplit,
  }),
  trainLimit: option(whole(1), {
    group: "Data",
    help: "train on this many rows only, sampled with the seed (the first ones with --no-shuffle)",
    defaultText: "all",
    advanced: true,
  }),
  holdoutFraction: option(number({ above: 0, below: 1 }), {
    group: "Data",
    help: "share of the training rows that --eval-every and --early-stopping evaluate on, instead of the validation rows",
    defaultText: "none",
    advanced: true,
  }),
  textColumns: option(names("A[,B]"), {
    group: "Data",
    help: "the one or two columns that hold the texts",
    defaultText: "by name",
    advanced: true,
    appliesWhen: withFiles,
  }),
  labelColumn: option(names("NAME"), {
    group: "Data",
    help: "the column that holds the label, or several columns of 0 and 1",
    defaultText: "by name",
    advanced: true,
    appliesWhen: withFiles,
  }),
  dropUnlabeled: option(toggle, {
    group: "Data",
    help: "leave out rows without a label instead of refusing them",
    default: false,
    advanced: true,
    appliesWhen: both(withFiles, {
      only: "with a task whose rows have labels",
      holds: ({ task }: DataValues) => task !== "causal-lm",
    }),
  }),
  maxLength: option(whole(1), {
    group: "Data",
    help: "maximum number of tokens in a row, special tokens included; by default no more than tokenizer and model allow",
    default: 512,
    advanced: true,
  }),
  trainOn: option(choice(TRAIN_ON), {
    group: "Data",
    help: "which tokens of a language model's rows are trained on",
    defaultText: "depends on the columns",
    advanced: true,
  }),
  shuffle: option(toggle, {
    group: "Data",
    help: "shuffle the training rows",
    default: true,
    advanced: true,
  }),
  dropLast: option(toggle, {
    group: "Data",
    help: "drop the last batch of an epoch if it is smaller than the others",
    default: false,
    advanced: true,
  }),
  seed: option(whole(0), { group: "Data", help: "seed of all random numbers", default: 0, advanced: true }),
};

/** The model a run starts from, and its rows: files, columns, order. */

import * as z from "zod";
import {
  type AppliesWhen,
  both,
  choice,
  group,
  names,
  number,
  text,
  toggle,
  toggleOrNumber,
  whole,
} from "../../../base/settings/index.js";
import { TRAIN_ON } from "../../../models/adapters/index.js";
import { INIT_WEIGHTS } from "../../../models/index.js";
import { isNamedDataset, namedDatasets } from "../../datasets/namedDatasets.js";
import { TASKS } from "../../index.js";
import { dividesRows, type LevelSettings } from "../upperGroups.js";

const data = group("Data");
const model = group("Model");

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

/** Rows in file order are split where the order says. */
const withHeldOutRows: AppliesWhen = {
  only: "with --holdout-fraction, --method bidora or --upper (without --upper-train), and without --no-shuffle",
  holds: ({ holdoutFraction, shuffle, ...run }: HoldoutValues) =>
    shuffle !== false && (holdoutFraction !== undefined || run.method === undefined || dividesRows(run)),
};

interface HoldoutValues extends Partial<LevelSettings> {
  readonly upperTrain?: string | undefined;
  readonly holdoutFraction?: number | undefined;
  readonly shuffle?: boolean | undefined;
}

export const modelOptions = {
  model: model(text("DIR|GGUF|REPO"), "a local folder, a GGUF file or a Hub repository"),
  revision: model.advanced(text("REV"), "branch, tag or commit of the Hub repository", { defaultText: "main" }),
  adapter: model.advanced(
    folder,
    "continue training this adapter instead of a fresh one, on its own base model unless --model names another",
  ),
  initWeights: model.advanced(
    choice(INIT_WEIGHTS),
    "keep the checkpoint's own head if it fits the labels, or initialize a new one from the seed",
    { default: "pretrained-head" },
  ),
};

export const dataOptions = {
  task: data(choice([...taskKinds, ...datasets]), "a kind of task, or a data set such as glue/mrpc", {
    placeholder: "TASK",
  }),
  data: data.advanced(folder, "folder of the named data set", { appliesWhen: withNamedDataset }),
  train: data(file, "training rows: JSONL, CSV, TSV, Parquet, CoNLL"),
  validation: data(file, "rows to evaluate on during and after training"),
  test: data.advanced(file, "rows for a final evaluation after training"),
  testSplit: data.advanced(toggle, "use a named data set's labeled test rows for a final evaluation", {
    defaultText: "on if it has no validation rows",
    appliesWhen: withTestSplit,
  }),
  trainLimit: data.advanced(
    whole(1),
    "train on this many rows only, sampled with the seed (the first ones with --no-shuffle)",
    { defaultText: "all" },
  ),
  holdoutFraction: data.advanced(
    number({ above: 0, below: 1 }),
    "share of the training rows that --eval-every and --early-stopping evaluate on, instead of the validation rows",
    { defaultText: "none" },
  ),
  holdoutGroups: data.rare(
    toggleOrNumber(z.int().min(1), "a number of words"),
    "hold out equal rows, and rows whose texts stand in each other, together or not at all; =N: texts of N words or more",
    { default: false, defaultText: "off; 4 words", appliesWhen: withHeldOutRows },
  ),
  textColumns: data.advanced(names("A[,B]"), "the one or two columns that hold the texts", {
    defaultText: "by name",
    appliesWhen: withFiles,
  }),
  labelColumn: data.advanced(names("NAME"), "the column that holds the label, or several columns of 0 and 1", {
    defaultText: "by name",
    appliesWhen: withFiles,
  }),
  positiveLabel: data.rare(text("NAME"), "the label of two that precision, recall and F1 are of", {
    defaultText: "1, true, yes or positive, else the rarer label",
    appliesWhen: {
      only: "with sequence-classification of your own rows: a named data set has its own positive label",
      holds: ({ task }: DataValues) => task === undefined || task === "sequence-classification",
    },
  }),
  dropUnlabeled: data.advanced(toggle, "leave out rows without a label instead of refusing them", {
    default: false,
    appliesWhen: both(withFiles, {
      only: "with a task whose rows have labels",
      holds: ({ task }: DataValues) => task !== "causal-lm",
    }),
  }),
  maxLength: data.advanced(
    whole(1),
    "maximum number of tokens in a row, special tokens included; by default no more than tokenizer and model allow",
    { default: 512 },
  ),
  trainOn: data.advanced(choice(TRAIN_ON), "which tokens of a language model's rows are trained on", {
    defaultText: "depends on the columns",
  }),
  chatTemplate: data.advanced(
    text("FILE"),
    "chat template (Jinja) to render conversations with, saved with the result",
    {
      defaultText: "the model's",
    },
  ),
  shuffle: data.advanced(toggle, "shuffle the training rows", { default: true }),
  dropLast: data.advanced(toggle, "drop the last batch of an epoch if it is smaller than the others", {
    default: false,
  }),
  seed: data.advanced(whole(0), "seed of all random numbers", { default: 0 }),
  dataSeed: data.advanced(
    whole(0),
    "another seed for the rows: which are sampled, held out or split, and their order",
    {
      defaultText: "--seed",
      appliesWhen: {
        only: "with --shuffle: rows in the order of the file draw nothing",
        holds: ({ shuffle }: { readonly shuffle?: boolean | undefined }) => shuffle !== false,
      },
    },
  ),
};

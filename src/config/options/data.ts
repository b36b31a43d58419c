import { namedDatasets } from "../../datasets/index.js";
import { TRAIN_ON } from "../../files/adapterMetadata.js";
import { TASKS } from "../../tasks/index.js";
import { withFiles, withNamedDataset, withTestSplit } from "../conditions.js";
import { choice, names, number, option, text, toggle, whole } from "../option.js";

const taskKinds = Object.keys(TASKS) as (keyof typeof TASKS)[];
const datasets = Object.keys(namedDatasets) as (keyof typeof namedDatasets)[];
const folder = text("DIR");
const file = text("FILE");

/** Rows, and what of them is taken in which order. */
export const dataOptions = {
  task: option(choice([...taskKinds, ...datasets]), {
    group: "Data",
    help: "a kind of task, or a data set such as glue/mrpc",
    placeholder: "TASK",
  }),
  data: option(folder, {
    group: "Data",
    help: "the folder of a named data set",
    advanced: true,
    acts: withNamedDataset,
  }),
  train: option(file, { group: "Data", help: "training rows: JSONL, CSV, TSV, Parquet, CoNLL" }),
  validation: option(file, { group: "Data", help: "rows to evaluate on" }),
  test: option(file, { group: "Data", help: "rows for the figures at the end", advanced: true }),
  testSplit: option(toggle, {
    group: "Data",
    help: "read a named data set's labelled test rows for the figures at the end",
    defaultText: "where it has no validation rows",
    advanced: true,
    acts: withTestSplit,
  }),
  trainLimit: option(whole(1), {
    group: "Data",
    help: "train on so many rows, drawn by the seed (without --shuffle the first)",
    defaultText: "all",
    advanced: true,
  }),
  holdoutFraction: option(number({ above: 0, below: 1 }), {
    group: "Data",
    help: "a share of the training rows that --eval-every and --early-stopping watch, in the place of the validation rows",
    defaultText: "none",
    advanced: true,
  }),
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
  trainOn: option(choice(TRAIN_ON), {
    group: "Data",
    help: "what of a language model's rows bears loss",
    defaultText: "by the kind of row",
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
};

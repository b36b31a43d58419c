/** Options that several commands have in common, so that a word means the same everywhere. */
import { type AppliesWhen, choice, group, pick, text, whole } from "../../../base/settings/index.js";
import { dataOptions, modelOptions } from "./data.js";
import { embeddingOptions } from "./embedding.js";
import { outputOptions } from "./output.js";
import { trainingOptions } from "./training.js";

const data = group("Data");
const run = group("Run");

/** How a command reports. */
export const session = pick(outputOptions, "json", "quiet", "debug");

/** A trained model. */
export const baseModel = {
  ...pick(modelOptions, "model", "revision"),
  adapter: { ...modelOptions.adapter, help: "adapter to load into the model" },
};

/** How conversations are rendered. */
export const conversations = {
  chatTemplate: {
    ...dataOptions.chatTemplate,
    group: "Model",
    help: "chat template (Jinja) to render conversations with",
    defaultText: "the one that the adapter was trained with, or the model's",
  },
} as const;

export const overwrite = {
  overwrite: { ...outputOptions.overwrite, help: "replace what bidora wrote there; other files stay" },
};

/** The file with a run's settings. */
export const runFile = {
  runFile: run(text("run.yaml"), "YAML file with settings; flags take precedence", { positional: true, session: true }),
};

/** What a command finds out about the rows it reads, once it has looked. */
interface RowFacts {
  /** Whether they are a folder of a named data set, which has splits and known columns. */
  readonly isDatasetFolder?: boolean;
}

const onFolder: AppliesWhen = {
  only: "on a named data set's folder",
  holds: ({ isDatasetFolder }: RowFacts) => isDatasetFolder !== false,
};

const onFile: AppliesWhen = {
  only: "on a file of rows",
  holds: ({ isDatasetFolder }: RowFacts) => isDatasetFolder !== true,
};

/** How rows are read and batched. */
export const rowOptions = {
  ...pick(dataOptions, "task"),
  textColumns: { ...dataOptions.textColumns, appliesWhen: onFile },
  labelColumn: { ...dataOptions.labelColumn, appliesWhen: onFile },
  ...pick(dataOptions, "maxLength"),
  ...pick(trainingOptions, "batchSize", "dtype", "baseDtype", "device", "threads"),
};

/** How an embedding is read from a model that says nothing of it. */
export const plainPooling = {
  pooling: {
    ...embeddingOptions.pooling,
    group: "Model",
    appliesWhen: { ...embeddingOptions.pooling.appliesWhen, only: "with embedding" },
    defaultText: "the adapter's or the model folder's own, or mean",
  },
};

/** Which rows of a data set. */
export const partOptions = {
  split: data(choice(["validation", "test", "train"]), "which split of a named data set to use", {
    defaultText: "validation, or test if it has none",
    appliesWhen: onFolder,
  }),
  limit: data(whole(1), "use only the first N rows, or the first N prompts if generated texts are evaluated", {
    defaultText: "all",
  }),
};

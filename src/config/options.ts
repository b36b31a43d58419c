/**
 * The one schema of a run. Flags, `--help`, the YAML file, `run.yaml` and `docs/options.md` derive from `runOptions`.
 */
import type { Given, Values } from "./option.js";
import { bidoraOptions } from "./options/bidora.js";
import { dataOptions } from "./options/data.js";
import { methodOptions } from "./options/method.js";
import { modelOptions } from "./options/model.js";
import { outputOptions } from "./options/output.js";
import { textOptions } from "./options/texts.js";
import { trainingOptions } from "./options/training.js";
import type { Sources } from "./precedence.js";

/** Every option of a fine-tuning run, in the order in which help and documentation show them. */
export const runOptions = {
  ...modelOptions,
  ...dataOptions,
  ...methodOptions,
  ...trainingOptions,
  ...bidoraOptions,
  ...textOptions,
  ...outputOptions,
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

/** What a named data set tells the rest of the program. */
import type { Dataset, Location } from "../data/index.js";
import type { MetricName, TaskKind } from "../index.js";

export type Split = "train" | "validation" | "test";

/** The rows of a run. */
export interface Splits {
  readonly train: Dataset;
  readonly validation: Dataset | undefined;
  readonly test: Dataset | undefined;
  /** Training rows that are held out. */
  readonly holdout?: Dataset | undefined;
  /** With `--holdout-groups`, the group of each training row, held out or not: rows of one group are on one side of every split. */
  readonly groups?: ReadonlyMap<Location, number> | undefined;
  /** The upper level's training rows, if they have a file of their own. */
  readonly upper?: Dataset | undefined;
}

/** A data set that `--task` has a name for. */
export interface NamedDatasetFacts {
  readonly task: TaskKind;
  /** Which files it is read from, for help and documentation. */
  readonly files: string;
  /** In the order of their ids, as in Hugging Face's copy of the set; empty for regression, and if the files give them. */
  readonly labelNames: readonly string[];
  /** The label that precision, recall and F1 are computed for. */
  readonly positive?: string;
  /** The metrics that results on this data set are reported in, the main one first; by default the task's. */
  readonly metrics?: readonly [MetricName, ...MetricName[]];
  /** Whether results are reported on generated text. */
  readonly texts?: boolean;
  /** The splits whose published rows have labels. */
  readonly labeled: readonly Split[];
  /** Which of these a folder has, for a set that is published in several layouts; by default all. */
  labeledIn?(directory: string): Promise<readonly Split[]>;
  /** The files in which GLUE's server takes predictions for the test rows. */
  readonly submission?: GlueSubmission;
  /** @throws BidoraError naming the missing file, or the line at fault */
  load(directory: string, split: Split): Promise<Dataset>;
}

/** What GLUE's server takes for one of its sets. */
export interface GlueSubmission {
  /** The server's spelling of each label, in the order of `labelNames`; undefined for scores, from 0 to 5. */
  readonly labels: readonly string[] | undefined;
  readonly files: readonly {
    readonly name: string;
    /** What the names of the files with its rows begin with. */
    readonly stem: string;
    /** How many rows were published. */
    readonly rows: number;
  }[];
}

/** The data sets of one file, by their names for `--task`. */
export type NamedDatasets = Readonly<Record<string, NamedDatasetFacts>>;

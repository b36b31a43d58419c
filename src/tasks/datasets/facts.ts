import type { Dataset, Split } from "../../data/index.js";
import type { MetricName } from "../namedMetrics.js";
import type { TaskKind } from "../registry.js";

/** What is known of a data set that `--task` has a name for. */
export interface NamedDatasetFacts {
  readonly task: TaskKind;
  /** In the order of their ids, as in Hugging Face's copy of the set; empty where the files say them, and for regression. */
  readonly labelNames: readonly string[];
  /** The label that F1 is about. */
  readonly positive?: string;
  /** Those that the set is reported by; where there are none, the task's own say all. */
  readonly metrics?: readonly [MetricName, ...MetricName[]];
  /** Whether it is reported by texts that are generated. */
  readonly texts?: boolean;
  /** The splits whose rows have labels, as published. */
  readonly labelled: readonly Split[];
  /** Those of them that a folder has, for a set that is published in several forms; all of them if absent. */
  labelledIn?(directory: string): Promise<readonly Split[]>;
  /** @throws BidoraError naming the missing file, or the line at fault. */
  load(directory: string, split: Split): Promise<Dataset>;
}

/** The data sets of one group, by their words for `--task`. */
export type NamedDatasets = Readonly<Record<string, NamedDatasetFacts>>;

import { UsageError } from "../common/errors.js";
import { isNamedDataset, type NamedDataset, namedDatasets } from "./datasets.js";
import type { MetricName } from "./namedMetrics.js";
import { isTaskKind, TASKS, type TaskKind } from "./registry.js";
import type { Task } from "./task.js";

/** What a word for `--task` stands for: a task, or a named data set of one. */
export interface TaskChoice {
  readonly kind: TaskKind;
  readonly task: Task;
  /** The data set's name, or undefined. */
  readonly dataset: NamedDataset | undefined;
  /** The metrics that the data set is reported by. */
  readonly metrics: readonly [MetricName, ...MetricName[]] | undefined;
}

/** @throws UsageError for a word that is neither */
export function taskOf(word: string): TaskChoice {
  const dataset = isNamedDataset(word) ? word : undefined;
  const kind = dataset ? namedDatasets[dataset].task : word;
  if (!isTaskKind(kind)) {
    const known = Object.keys(TASKS).join(", ");
    throw new UsageError(`There is no task ${word}; known are ${known}, and data sets such as glue/mrpc.`);
  }
  return { kind, task: TASKS[kind], dataset, metrics: dataset && namedDatasets[dataset].metrics };
}

import { checkArguments, oneOf } from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import { isNamedDataset, type NamedDataset, type NamedDatasetFacts, namedDatasets } from "./datasets/index.js";
import type { MetricName } from "./namedMetrics.js";
import { isTaskKind, TASKS, type TaskKind } from "./registry.js";
import type { Task } from "./task.js";

/** A task under its word: one of `TASKS`, or one of a library user's own. The word is kept beside what is trained for it. */
export interface NamedTask {
  readonly kind: string;
  readonly task: Task;
}

/** What a word for `--task` stands for: a task, or a named data set of one. */
export interface TaskChoice extends NamedTask {
  /** The data set's name, or undefined. */
  readonly dataset: NamedDataset | undefined;
  /** The metrics that the data set is reported by. */
  readonly metrics: readonly [MetricName, ...MetricName[]] | undefined;
  /** Whether the data set is reported by generated texts. */
  readonly texts: boolean;
}

/** The task of the table by its word. */
export function namedTask(kind: TaskKind): NamedTask {
  checkArguments("namedTask", ["kind", kind, oneOf(Object.keys(TASKS))]);
  return { kind, task: TASKS[kind] };
}

/** @throws UsageError for a word that is neither */
export function taskOf(word: string): TaskChoice {
  const dataset = isNamedDataset(word) ? word : undefined;
  const kind = dataset ? namedDatasets[dataset].task : word;
  if (!isTaskKind(kind)) {
    const known = Object.keys(TASKS).join(", ");
    throw new UsageError(`There is no task ${word}; known are ${known}, and data sets such as glue/mrpc.`);
  }
  const facts: NamedDatasetFacts | undefined = dataset && namedDatasets[dataset];
  return { ...namedTask(kind), dataset, metrics: facts?.metrics, texts: facts?.texts === true };
}

/**
 * The task that is asked for, by its word or as a value; undefined where neither is given.
 * @throws UsageError for both, for a word that is none, or for a value under a word that stands for something else
 */
export function askedTask(word: string | undefined, own: NamedTask | undefined): TaskChoice | undefined {
  if (!own) return word === undefined ? undefined : taskOf(word);
  if (word !== undefined)
    throw new UsageError(`The settings name the task ${word}, and a task of one's own is given too: leave one out.`);
  if (isTaskKind(own.kind) || isNamedDataset(own.kind))
    throw new UsageError(`${own.kind} is a task of bidora's own: give yours another name.`);
  return { ...own, dataset: undefined, metrics: undefined, texts: false };
}

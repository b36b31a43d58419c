import { checkArguments, oneOf } from "../base/index.js";
import { causalLm } from "./causalLm.js";
import { embedding } from "./embedding/embedding.js";
import { multiLabelClassification } from "./multiLabelClassification.js";
import { preference } from "./preference/preference.js";
import { reward } from "./preference/reward.js";
import { questionAnswering } from "./questionAnswering.js";
import { regression } from "./regression.js";
import { reranking } from "./reranking/reranking.js";
import { sequenceClassification } from "./sequenceClassification.js";
import type { Task, TaskSource } from "./task.js";
import { tokenClassification } from "./tokenClassification.js";

/** Every task by its name for `--task`. */
export const TASKS = {
  "sequence-classification": sequenceClassification,
  "multi-label-classification": multiLabelClassification,
  regression,
  "token-classification": tokenClassification,
  "question-answering": questionAnswering,
  "causal-lm": causalLm,
  embedding,
  preference,
  reward,
  reranking,
} as const satisfies Readonly<Record<string, Task>>;

/** The name of a built-in task. */
export type TaskKind = keyof typeof TASKS;

/** Each name with its task. */
export const TASK_ENTRIES = Object.entries(TASKS) as [TaskKind, Task][];

export function isTaskKind(word: string): word is TaskKind {
  return Object.hasOwn(TASKS, word);
}

/** A task and its name: one of `TASKS`, or a library user's own. The name is kept in what is trained for it. */
export interface NamedTask {
  readonly kind: string;
  readonly task: Task;
}

/** A task as a model's folder and a run's settings make it. @throws UsageError for settings that do not fit */
export const configuredTask = <Named extends NamedTask>(named: Named, source: TaskSource): Named => ({
  ...named,
  task: named.task.configured?.(source) ?? named.task,
});

/** A built-in task by its name. */
export function namedTask(kind: TaskKind): NamedTask {
  checkArguments("namedTask", ["kind", kind, oneOf(Object.keys(TASKS))]);
  return { kind, task: TASKS[kind] };
}

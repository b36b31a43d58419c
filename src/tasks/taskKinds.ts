import { checkArguments, oneOf } from "../common/arguments.js";
import { causalLm } from "./causalLm.js";
import { multiLabelClassification } from "./multiLabelClassification.js";
import { questionAnswering } from "./questionAnswering.js";
import { regression } from "./regression.js";
import { sequenceClassification } from "./sequenceClassification.js";
import type { Task } from "./task.js";
import { tokenClassification } from "./tokenClassification.js";

/** Every task by its name for `--task`. */
export const TASKS = {
  "sequence-classification": sequenceClassification,
  "multi-label-classification": multiLabelClassification,
  regression,
  "token-classification": tokenClassification,
  "question-answering": questionAnswering,
  "causal-lm": causalLm,
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

/** A built-in task by its name. */
export function namedTask(kind: TaskKind): NamedTask {
  checkArguments("namedTask", ["kind", kind, oneOf(Object.keys(TASKS))]);
  return { kind, task: TASKS[kind] };
}

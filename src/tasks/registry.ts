import { causalLm } from "./causalLm.js";
import { multiLabelClassification } from "./multiLabelClassification.js";
import { questionAnswering } from "./questionAnswering.js";
import { regression } from "./regression.js";
import { sequenceClassification } from "./sequenceClassification.js";
import type { Task } from "./task.js";
import { tokenClassification } from "./tokenClassification.js";

/** Every task by its word for `--task`. */
export const TASKS = {
  "sequence-classification": sequenceClassification,
  "multi-label-classification": multiLabelClassification,
  regression,
  "token-classification": tokenClassification,
  "question-answering": questionAnswering,
  "causal-lm": causalLm,
} as const satisfies Readonly<Record<string, Task>>;

/** The word of a task of the table. */
export type TaskKind = keyof typeof TASKS;

/** Each word with its task. */
export const TASK_ENTRIES = Object.entries(TASKS) as [TaskKind, Task][];

export function isTaskKind(word: string): word is TaskKind {
  return Object.hasOwn(TASKS, word);
}

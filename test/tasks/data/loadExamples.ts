import type { Dataset, LoadRowsOptions } from "../../../src/tasks/data/index.js";
import { TASKS, type Task, type TaskKind } from "../../../src/tasks/index.js";

/** A file's rows as a task reads them. */
export function loadExamples(
  file: string,
  { task, ...options }: LoadRowsOptions & { readonly task: TaskKind },
): Promise<Dataset> {
  return (TASKS[task] as Task).read(file, options);
}

/** The task of a run. */
import { isNamedDataset, namedDatasets } from "../../../tasks/datasets/index.js";

/** The kind of task that `task` names in settings, or that its data set is for. */
export const taskKindOf = (task: string | undefined): string | undefined =>
  task !== undefined && isNamedDataset(task) ? namedDatasets[task].task : task;

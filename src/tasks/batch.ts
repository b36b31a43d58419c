import { anObject, checkArguments } from "../common/arguments.js";
import { aModel, modelInput, rowsOfTokens, type TaskModel } from "../models/index.js";
import type { ForwardContext } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import { aBatch, aTask } from "./arguments.js";
import type { Batch, EncodedRow, Task } from "./task.js";

export type { Batch } from "./task.js";

/** Lays rows end to end, as a model is given them. */
export function batchOf<Row extends EncodedRow>(rows: readonly Row[]): Batch<Row> {
  checkArguments("batchOf", ["rows", rows, rowsOfTokens]);
  return { rows, input: modelInput(rows) };
}

/** Tokens of a batch, padding left out. */
export function tokensOf({ input }: Batch): number {
  return input.inputIds.numel;
}

/** How much bears loss in a batch of labelled rows: rows, or labelled tokens. */
export function lossWeight(task: Task, batch: Batch): number {
  checkArguments("lossWeight", ["task", task, aTask], ["batch", batch, aBatch]);
  return batch.rows.reduce((sum, row) => sum + task.weight(row), 0);
}

/** What a task makes of a batch: the outputs of the model's head, unless it says otherwise. */
export function outputsOf(task: Task, model: TaskModel, batch: Batch, context: ForwardContext): torch.Tensor {
  return task.forward ? task.forward(model, batch, context) : model.forward(batch.input, context);
}

/** The sum of the losses of a batch's rows, to be divided by their weight: a number to differentiate. */
export function lossSum(task: Task, model: TaskModel, batch: Batch, context: ForwardContext): torch.Tensor {
  checkArguments(
    "lossSum",
    ["task", task, aTask],
    ["model", model, aModel],
    ["batch", batch, aBatch],
    ["context", context, anObject],
  );
  return task.loss(outputsOf(task, model, batch, context), batch);
}

// What follows from a task: the outputs and losses of batches.
import { anObject, checkArguments, having } from "../base/index.js";
import { aModel, type TaskModel } from "../models/index.js";
import type { ForwardContext } from "../models/nn/index.js";
import type { Tensor } from "../torch/index.js";
import * as torch from "../torch/index.js";
import { type Batch, batchOf, ExampleOutputs, type Group } from "./batch.js";
import { aTask, type Task } from "./task.js";

/** The sum of the weights of labeled examples. */
export function lossWeight(task: Task, batch: Batch): number {
  checkArguments("lossWeight", ["task", task, aTask], ["batch", batch, aBatch]);
  return batch.examples.reduce((sum, example) => sum + task.weight(example), 0);
}

/** The outputs of a batch that loss and predictions are computed from. */
export function outputsOf(task: Task, model: TaskModel, batch: Batch, context: ForwardContext): Tensor {
  return task.forward ? task.forward(model, batch, context) : model.forward(batch, context);
}

/** The outputs of a batch, example by example. outputs: [n, width] */
export function outputsByExample(task: Pick<Task, "outputVectors">, outputs: Tensor, batch: Batch): ExampleOutputs[] {
  const [count = 0, width = 1] = outputs.shape;
  const own = outputs.toTypedArray();
  const values = own instanceof BigInt64Array ? Float64Array.from(own, Number) : new Float64Array(own);
  let next = 0;
  return vectorCounts(task, count, batch).map((vectors) => {
    next += width * vectors;
    return new ExampleOutputs(values.subarray(next - width * vectors, next), width);
  });
}

/** How many of a batch's output vectors each example has. @param count of all */
function vectorCounts(task: Pick<Task, "outputVectors">, count: number, { examples, layout }: Batch): number[] {
  const isByToken = count !== examples.length;
  return examples.map((example, i) => task.outputVectors?.(example) ?? (isByToken ? layout.lengths[i]! : 1));
}

/** The loss of each group of a batch's examples, as a sum. @throws UsageError if the task's loss is no sum over examples */
export function groupLosses(task: Task, outputs: Tensor, batch: Batch, groups: readonly Group[]): Tensor[] {
  const own = task.groupLosses?.(outputs, batch, groups);
  if (own) return own;
  const counts = vectorCounts(task, outputs.shape[0]!, batch);
  const ends = cumulative(counts);
  return groups.map((group) => {
    const rows = group.flatMap((i) => Array.from({ length: counts[i]! }, (_, k) => ends[i]! - counts[i]! + k));
    const index = torch.tensor(rows, [rows.length], "int64", outputs.device);
    const part = batchOf(
      group.map((i) => batch.examples[i]!),
      batch.inputIds.device,
    );
    return task.loss(torch.indexSelect(outputs, 0, index), part);
  });
}

function cumulative(counts: readonly number[]): number[] {
  let sum = 0;
  return counts.map((count) => (sum += count));
}

/** The sum of the losses of a batch's examples, to differentiate; `lossWeight` is what to divide it by. */
export function lossSum(task: Task, model: TaskModel, batch: Batch, context: ForwardContext): Tensor {
  checkArguments(
    "lossSum",
    ["task", task, aTask],
    ["model", model, aModel],
    ["batch", batch, aBatch],
    ["context", context, anObject],
  );
  return task.loss(outputsOf(task, model, batch, context), batch);
}

const aBatch = having("a batch, as batchOf returns it", "examples", "inputIds");

import type { Metrics } from "../../base/records/index.js";
import { type Batch, type EncodedExample, ExampleOutputs, outputsByExample, type Task } from "../../tasks/index.js";
import { detach, type Ranks, type Tensor } from "../../torch/index.js";
import type { StepBatches } from "./batchGradients.js";

/** The outputs of a training step, for what a task reports of it besides the loss. */
export class StepMetrics {
  readonly #outputs = new Map<EncodedExample, ExampleOutputs>();

  constructor(
    private readonly task: Task,
    private readonly batches: StepBatches,
  ) {}

  /** Takes the outputs of a batch. */
  add(outputs: Tensor, batch: Batch): void {
    const found = outputsByExample(this.task, detach(outputs), batch);
    for (const [i, example] of batch.examples.entries()) this.#outputs.set(example, found[i]!);
  }

  /** The same on all ranks. */
  result(ranks: Ranks): Metrics {
    const { task, batches } = this;
    const rows = batches.shares.flatMap(({ whole }) => whole);
    const own = rows.flatMap((row, i) => {
      const found = this.#outputs.get(row);
      return found ? [{ i, values: Array.from(found.values), width: found.width }] : [];
    });
    const predictions = ranks
      .gather(own)
      .flat()
      .sort((a, b) => a.i - b.i)
      .map(({ i, values, width }) =>
        task.predict([new ExampleOutputs(Float64Array.from(values), width)], [rows[i]!], []),
      );
    return task.stepMetrics!(predictions, batches.sums);
  }
}

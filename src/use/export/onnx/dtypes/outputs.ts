/** The outputs of a graph for the user's rows, computed by our own model. */
import { NO_HEAD } from "../../../../models/index.js";
import { EVALUATION } from "../../../../models/nn/index.js";
import { type Batch, batchOf, type EncodedExample, isOfLanguageModel } from "../../../../tasks/index.js";
import * as torch from "../../../../torch/index.js";
import type { ExportedModel } from "../exportedModel.js";
import type { Arithmetic } from "./emulation.js";

const BATCH_SIZE = 16;

/** One row at a time where rows depend on each other, and for the logits of language models, which take much memory. */
export const batchSizeOf = ({ task }: ExportedModel, { dependsOnBatch = false }: Partial<Arithmetic> = {}): number =>
  dependsOnBatch || isOfLanguageModel(task) ? 1 : BATCH_SIZE;

/** Outputs of each row, or the embeddings of its texts. */
export function exportedOutputs(exported: ExportedModel, rows: readonly EncodedExample[]): Float32Array[] {
  return torch.noGrad(() =>
    torch.scope(() => {
      const batch = batchOf(rows, exported.model.device);
      return byRow(exported, forward(exported, batch), batch);
    }),
  );
}

function forward({ model, task }: ExportedModel, batch: Batch): torch.Tensor {
  if (hasSeveral(task) && "forward" in task && task.forward) return task.forward(model, batch, EVALUATION);
  return task.head === NO_HEAD ? model.backbone.forward(batch, EVALUATION) : model.forward(batch, EVALUATION);
}

/** Whether a row may have several texts, or pairs of texts, each with outputs of its own. */
const hasSeveral = ({ embedding, reranking }: ExportedModel["task"]): boolean => (embedding ?? reranking) !== undefined;

/** The outputs of a batch by row. outputs: a vector for each row, for each of its texts, or for each of its tokens */
export function byRow(
  { task }: ExportedModel,
  outputs: torch.Tensor,
  { examples: rows, layout }: Batch,
): Float32Array[] {
  const values = torch.contiguous(outputs).toTypedArray() as Float32Array;
  const [count = 0] = outputs.shape;
  const width = values.length / count;
  const vectorsOf = (row: EncodedExample, i: number): number => {
    if (count === rows.length) return 1;
    if (hasSeveral(task) && "outputVectors" in task && task.outputVectors) return task.outputVectors(row);
    return layout.lengths[i]!;
  };
  let end = 0;
  return rows.map((row, i) => {
    const start = end;
    end += vectorsOf(row, i) * width;
    return values.subarray(start, end);
  });
}

/** The most numbers that are held: 256 MiB. */
const MOST_NUMBERS = 2 ** 26;

/** Float32's outputs by row, computed once for all dtypes while they do not take too much memory. */
export class Float32Outputs {
  readonly #held = new Map<EncodedExample, Float32Array>();
  #free = MOST_NUMBERS;

  constructor(private readonly exported: ExportedModel) {}

  of(rows: readonly EncodedExample[]): Float32Array[] {
    const missing = rows.filter((row) => !this.#held.has(row));
    const computed = missing.length === 0 ? [] : exportedOutputs(this.exported, missing);
    const made = new Map(missing.map((row, i) => [row, computed[i]!]));
    for (const [row, outputs] of made) this.hold(row, outputs);
    return rows.map((row) => (made.get(row) ?? this.#held.get(row)) as Float32Array);
  }

  /** Whether the outputs of all these rows are held. */
  holds(rows: readonly EncodedExample[]): boolean {
    return rows.every((row) => this.#held.has(row));
  }

  /** Takes outputs that were computed already. */
  hold(row: EncodedExample, outputs: Float32Array): void {
    if (outputs.length > this.#free) return;
    this.#free -= outputs.length;
    this.#held.set(row, outputs);
  }
}

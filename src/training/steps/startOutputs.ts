// What the model that a run starts from gives for its rows, for losses that compare with it: the reference of preference tuning.
// Shapes: R rows of a run, W numbers of a row's outputs.
import type { TrainedTensor } from "../../models/adapters/index.js";
import type { TaskModel } from "../../models/index.js";
import { DenseWeight, EVALUATION } from "../../models/nn/index.js";
import { batchOf, type EncodedExample, outputsByExample, outputsOf, type Task } from "../../tasks/index.js";
import type { Ranks, Tensor } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import type { Snapshot } from "./trainedTensors.js";

/** Gives trained parameters the values of a snapshot while `body` runs. */
export async function withValues<T>(
  trained: readonly TrainedTensor[],
  snapshot: Snapshot,
  body: () => Promise<T>,
): Promise<T> {
  const release = lend(trained, snapshot);
  try {
    return await body();
  } finally {
    release();
  }
}

function lend(trained: readonly TrainedTensor[], snapshot: Snapshot): () => void {
  const before = trained.map(({ name, parameter }) => parameter.lendValues(new DenseWeight(snapshot.get(name)!))!);
  return () => {
    for (const [i, { parameter }] of trained.entries()) parameter.lendValues(before[i]!);
  };
}

type Rows = readonly EncodedExample[];

const outputsByRow = (task: Task, model: TaskModel, rows: Rows): readonly (readonly number[])[] =>
  torch.noGrad(() =>
    torch.scope(() => {
      const batch = batchOf(rows, model.device);
      const outputs = outputsOf(task, model, batch, EVALUATION);
      return outputsByExample(task, outputs, batch).map(({ values }) => Array.from(values));
    }),
  );

/** The rows with the outputs of the model as it is, before anything is trained. */
export function withOutputs(task: Task, model: TaskModel, rows: Rows): Rows {
  const found = outputsByRow(task, model, rows);
  return rows.map((row, i) => ({ ...row, startOutputs: found[i]! }));
}

/** What it was computed for: a row may come with another one. */
interface Known {
  readonly other: EncodedExample | undefined;
  readonly outputs: readonly number[];
}

/** The name of what checkpoints keep. */
const SAVED = "startOutputs";

/** The outputs of a run's rows by the model that the run starts from, each computed when its row comes for the first time. */
export class StartOutputs {
  readonly #known = new Map<EncodedExample, Known>();

  constructor(
    readonly task: Task,
    readonly model: TaskModel,
    readonly trained: readonly TrainedTensor[],
    readonly start: Snapshot,
    readonly rows: Rows,
  ) {}

  /** The rows of a batch with their outputs, of which each rank computes those of its own part that are not known. */
  complete(whole: Rows, own: { readonly begin: number; readonly end: number }, ranks: Ranks): Rows {
    const missing = whole.flatMap((row, i) => (this.#find(row) ? [] : [i]));
    if (missing.length > 0) {
      const part = missing.filter((i) => i >= own.begin && i < own.end);
      const found = this.#compute(part.map((i) => whole[i]!));
      const all = new Map(ranks.gather(part.map((i, k) => [i, found[k]!] as const)).flat());
      for (const i of missing) {
        const { other, origin = whole[i]! } = whole[i]!;
        this.#known.set(origin, { other, outputs: all.get(i)! });
      }
    }
    return whole.map((row) => ({ ...row, startOutputs: this.#find(row)! }));
  }

  #find(row: EncodedExample): readonly number[] | undefined {
    const known = this.#known.get(row.origin ?? row);
    return known && known.other === row.other ? known.outputs : undefined;
  }

  #compute(rows: Rows): readonly (readonly number[])[] {
    if (rows.length === 0) return [];
    const release = lend(this.trained, this.start);
    try {
      return outputsByRow(this.task, this.model, rows);
    } finally {
      release();
    }
  }

  /** For a checkpoint, so that a resumed run has the same bits: [R, 1 + W], the number of the other row (-1: none) and the outputs; NaN where unknown. */
  save(): Map<string, Tensor> {
    const numbers = new Map(this.rows.map((row, i) => [row, i]));
    const width = Math.max(0, ...Array.from(this.#known.values(), ({ outputs }) => outputs.length));
    if (width === 0) return new Map();
    const values = this.rows.flatMap((row) => {
      const known = this.#known.get(row);
      if (!known) return new Array<number>(1 + width).fill(Number.NaN);
      return [known.other === undefined ? -1 : numbers.get(known.other)!, ...known.outputs];
    });
    return new Map([[SAVED, torch.tensor(values, [this.rows.length, 1 + width], "float64")]]);
  }

  restore(tensors: ReadonlyMap<string, Tensor>): void {
    this.#known.clear();
    const saved = tensors.get(SAVED);
    if (!saved) return;
    const width = saved.shape[1]!;
    const values = saved.toArray();
    for (const [i, row] of this.rows.entries()) {
      const [other, ...outputs] = values.slice(i * width, (i + 1) * width);
      if (!Number.isNaN(other)) this.#known.set(row, { other: this.rows[other!], outputs });
    }
  }
}

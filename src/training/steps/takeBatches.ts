// The batches of a step, with everything that their losses need.
import type { TaskModel } from "../../models/index.js";
import { type Batch, batchOf, type EncodedExample, type Task } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import type { BatchSource } from "../loop/batches.js";
import type { BatchShare } from "../ranks/shares.js";
import type { StepBatches } from "./batchGradients.js";
import type { StartOutputs } from "./startOutputs.js";

/** What batches are taken for. */
export interface BatchTaking {
  readonly task: Task;
  readonly model: TaskModel;
  readonly ranks: Ranks;
  /** Of a task that compares with the model before training. */
  readonly startOutputs?: StartOutputs | undefined;
}

/** The next batches of a step. */
export function takeBatches(taking: BatchTaking, stream: BatchSource, count: number): StepBatches {
  const { task, startOutputs, ranks } = taking;
  const given = arranged(
    task,
    Array.from({ length: count }, () => stream.next()),
  );
  const shares = startOutputs ? given.map((share) => withStart(share, startOutputs, ranks)) : given;
  const weights = shares.map(({ whole }) => total(whole.map((row) => task.weight(row))));
  const counted = shares.filter((_, i) => weights[i] !== 0);
  const sums = task.stepSums && sumsOf(counted, taking);
  return {
    shares: sums ? counted.map(({ own, ...share }) => ({ ...share, own: own && { ...own, sums } })) : counted,
    sums,
    weight: total(weights),
    rows: total(shares.map(({ whole }) => whole.length)),
    tokens: total(shares.flatMap(({ whole }) => whole.map(({ inputIds }) => inputIds.length))),
  };
}

const total = (values: readonly number[]): number => values.reduce((sum, value) => sum + value, 0);

/** The step's rows as the task arranges them. */
function arranged(task: Task, shares: readonly BatchShare[]): readonly BatchShare[] {
  if (!task.arranged) return shares;
  const rows = task.arranged(shares.flatMap(({ whole }) => whole));
  let end = 0;
  return shares.map((share) => {
    end += share.whole.length;
    return withRows(share, rows.slice(end - share.whole.length, end));
  });
}

function withStart(share: BatchShare, startOutputs: StartOutputs, ranks: Ranks): BatchShare {
  const { whole, begin, own } = share;
  const end = begin + (own?.examples.length ?? 0);
  return withRows(share, startOutputs.complete(whole, { begin, end }, ranks));
}

function withRows({ begin, own }: BatchShare, whole: readonly EncodedExample[]): BatchShare {
  const rows = whole.slice(begin, begin + (own?.examples.length ?? 0));
  return { whole, begin, own: own && batchOf(rows, own.inputIds.device) };
}

/** A batch that is a step of its own, with the sums that its loss depends on. */
export const withOwnSums = (task: Task, model: TaskModel, batch: Batch): Batch =>
  task.stepSums ? { ...batch, sums: sumsOfBatch(task, model, batch) } : batch;

const sumsOfBatch = (task: Task, model: TaskModel, batch: Batch): readonly number[] =>
  torch.noGrad(() => torch.scope(() => task.stepSums!(model, batch).toArray()));

/** The sums over all batches, by the model as it is. */
function sumsOf(shares: readonly BatchShare[], { task, model, ranks }: BatchTaking): readonly number[] | undefined {
  const ofShares = shares.flatMap(({ own }) => (own ? [sumsOfBatch(task, model, own)] : []));
  const all = ranks.gather(ofShares).flat();
  return all[0]?.map((_, i) => total(all.map((one) => one[i]!)));
}

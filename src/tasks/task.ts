import type * as z from "zod";
import { anObject, checkArguments, having, listOf } from "../common/arguments.js";
import type { Dataset, Example, LabelMap, LoadOptions, Location } from "../data/index.js";
import type { TRAIN_ON } from "../files/adapterMetadata.js";
import {
  aModel,
  type HeadKind,
  type ModelInput,
  modelInput,
  rowsOfTokens,
  type TaskModel,
  type TokenRow,
} from "../models/index.js";
import type { ForwardContext } from "../nn/index.js";
import type { Tokenizer } from "../text/index.js";
import type * as torch from "../torch/index.js";
import type { Tensor } from "../torch/index.js";
import type { Scorer, ScorerOptions } from "./scorer.js";

/** The part of a language model's rows that the loss is computed on. */
export type TrainOn = (typeof TRAIN_ON)[number];

/** A row as token ids, without padding. */
export interface EncodedRow<Target = unknown, Source = unknown> extends TokenRow {
  /** What the loss is taken against; undefined for rows to predict. */
  readonly target: Target | undefined;
  /** What metrics compare predictions with, in labelled rows. */
  readonly reference?: unknown;
  /** What a prediction is put into words with. */
  readonly source?: Source;
  readonly at: Location;
}

/** Rows laid end to end, as a model computes on them. */
export interface Batch<Row extends EncodedRow = EncodedRow> extends ModelInput {
  readonly rows: readonly Row[];
}

/** What a task needs to know to encode rows. */
export interface EncodeOptions {
  /** Needed by a task whose labels have names, where rows are labelled. */
  readonly labels: LabelMap | undefined;
  /** The most tokens of a row, special ones included. */
  readonly maxLength: number | undefined;
  /** What of a language model's rows bears loss; by their kind if not given. */
  readonly trainOn?: TrainOn | undefined;
}

/** transformers' `problem_type`, which tells tasks with one kind of head apart. */
export interface Problem {
  readonly type: string;
  /** The fewest outputs and the most that go with it. */
  readonly outputs: readonly [fewest: number, most: number];
  /** A checkpoint that names no problem type is of this one, where the number of its outputs allows it. */
  readonly isAssumed: boolean;
}

/**
 * A kind of work that models are fine-tuned for: all that the rest of the program knows of it. A new task is a file with such
 * a value and a line in `TASKS`.
 */
export interface Task<
  E extends Example = Example,
  Row extends EncodedRow = EncodedRow,
  Prediction extends object = object,
  Reference = unknown,
> {
  /** What a row holds, for help and documentation. */
  readonly rows: string;
  readonly head: HeadKind;
  /** PEFT's `task_type`. */
  readonly peftTaskType: string;
  readonly problem?: Problem;
  /** What the outputs stand for, where that is not the labels of the rows. */
  readonly outputs?: readonly string[];
  /** Whether it can be chosen what of a row bears loss. */
  readonly takesTrainOn?: boolean;
  /** A row to predict is gone on from, in the place of reading what outputs say of it. */
  readonly isGenerative?: boolean;

  /** Reads a file's rows. @throws BidoraError naming file, line or column at fault */
  read(file: string, options: LoadOptions): Promise<Dataset<E>>;
  /**
   * What metrics compare an example's prediction with.
   * @param labels needed by a task whose labels have names
   * @throws BidoraError naming the row whose label does not fit
   */
  reference(example: E, labels: LabelMap | undefined): Reference;
  /**
   * Turns examples into token ids and targets, in the same order. Several rows of one example stand side by side and share
   * its `at`.
   * @throws BidoraError naming the row whose label does not fit
   */
  encode(examples: readonly E[], tokenizer: Tokenizer, options: EncodeOptions): Promise<Row[]>;
  /**
   * The outputs of a batch that loss and predictions are made of, where they are not all outputs of the model's head.
   * @returns [n, width], where each row of the batch has `outputRows` of the n, one after another
   */
  forward?(model: TaskModel, batch: Batch<Row>, context: ForwardContext): Tensor;
  /** How many a row has of what `forward` gives. */
  outputRows?(row: Row): number;
  /** How much a labelled row counts in a mean over several: 1, or as many as it has labelled tokens. */
  weight(row: Row): number;
  /**
   * The loss of labelled rows, as a sum over what bears it: divided by the rows' weights it is the mean that transformers' model
   * for the task gives.
   * @param outputs of the tokens that the head reads: [rows or tokens, outputs]
   */
  loss(outputs: Tensor, batch: Batch<Row>): Tensor;
  /** Whether an example can be longer than a row, and is then encoded as several. */
  readonly splitsExamples?: boolean;
  /**
   * The prediction for one example, as the command `predict` writes it.
   * @param outputs of each of its rows
   * @param labels the names of the outputs
   */
  predict(outputs: readonly RowOutputs[], rows: readonly Row[], labels: readonly string[]): Prediction;
  /** Several predictions as one, where those for the same prompt are scored together. */
  join?(predictions: readonly Prediction[]): Prediction;
  /** Of what `predict` prints that which is compared, for predictions that come from a file. */
  readonly prediction?: z.ZodType;
  /** The metrics that the task reports. */
  scorer(options: ScorerOptions): Scorer<Reference, Prediction>;
}

/** Lays rows end to end, as a model is given them. */
export function batchOf<Row extends EncodedRow>(rows: readonly Row[], device?: string): Batch<Row> {
  checkArguments("batchOf", ["rows", rows, rowsOfTokens]);
  return { rows, ...modelInput(rows, undefined, device) };
}

/** Tokens of a batch, padding left out. */
export function tokensOf({ inputIds }: Batch): number {
  return inputIds.numel;
}

/** How much bears loss in a batch of labelled rows: rows, or labelled tokens. */
export function lossWeight(task: Task, batch: Batch): number {
  checkArguments("lossWeight", ["task", task, aTask], ["batch", batch, aBatch]);
  return batch.rows.reduce((sum, row) => sum + task.weight(row), 0);
}

/** What a task makes of a batch: the outputs of the model's head, unless it says otherwise. */
export function outputsOf(task: Task, model: TaskModel, batch: Batch, context: ForwardContext): torch.Tensor {
  return task.forward ? task.forward(model, batch, context) : model.forward(batch, context);
}

/** The outputs of one row: one vector, or one for each of its tokens. */
export class RowOutputs {
  /** @param values the vectors, one after another @param width the length of each */
  constructor(
    readonly values: Float64Array,
    readonly width: number,
  ) {}

  vector(index = 0): Float64Array {
    return this.values.subarray(index * this.width, (index + 1) * this.width);
  }
}

/** The outputs of a batch, row by row. outputs: [n, width] */
export function outputsByRow(task: Pick<Task, "outputRows">, outputs: Tensor, { rows, layout }: Batch): RowOutputs[] {
  const [count = 0, width = 1] = outputs.shape;
  const values = Float64Array.from(outputs.toArray());
  const isByToken = count !== rows.length;
  let next = 0;
  return rows.map((row, i) => {
    const size = width * (task.outputRows?.(row) ?? (isByToken ? (layout.lengths[i] as number) : 1));
    next += size;
    return new RowOutputs(values.subarray(next - size, next), width);
  });
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

/** What the calls about tasks take. */

export const aTask = having("a task, such as sequenceClassification", "encode", "loss", "weight");
export const aNamedTask = having("a task under a name, { kind, task }", "kind", "task");
export const aTokenizer = having("a tokenizer, as loadTokenizer gives it", "encodeBatch");
const aBatch = having("a batch, as batchOf gives it", "rows", "inputIds");
export const examplesOfRows = listOf(
  "a list of examples, as loadTexts reads them",
  having("an example", "input", "at"),
);

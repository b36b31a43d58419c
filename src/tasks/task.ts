/** What a task is, and the rows and batches that it works on. */

import { anObject, checkArguments, having, listOf, type Schema } from "../base/index.js";
import type { EmbeddingFormat } from "../formats/index.js";
import type { TRAIN_ON } from "../models/adapters/index.js";
import { aModel, type HeadKind, type ModelInput, modelInput, rowsOfTokens, type TaskModel } from "../models/index.js";
import type { ForwardContext } from "../models/nn/index.js";
import type { Encoded, Tokenizer } from "../text/index.js";
import type * as torch from "../torch/index.js";
import type { Tensor } from "../torch/index.js";
import type { Dataset, Example, LabelMap, LoadRowsOptions, Location, RowSource } from "./data/index.js";
import type { EmbeddingSettings } from "./embedding/settings.js";
import type { Scorer, ScorerOptions } from "./scorer.js";

/** The part of a language model's rows that the loss is computed on. */
export type TrainOn = (typeof TRAIN_ON)[number];

/** A row as token ids, without padding. */
export interface EncodedRow<Target = unknown, Source = unknown> extends Encoded {
  /** What the loss compares the outputs with; undefined in rows to predict. */
  readonly target: Target | undefined;
  /** What metrics compare the prediction with, in labeled rows. */
  readonly reference?: unknown;
  /** The text that a prediction is a part of. */
  readonly source?: Source;
  readonly at: Location;
}

/** Rows laid end to end, without padding: the model's input. */
export interface Batch<Row extends EncodedRow = EncodedRow> extends ModelInput {
  readonly rows: readonly Row[];
}

/** What encoding depends on besides the task. */
export interface EncodeOptions {
  /** Required for labeled rows of a task whose labels have names. */
  readonly labels: LabelMap | undefined;
  /** The maximum number of tokens in a row, special tokens included. */
  readonly maxLength: number | undefined;
  /** By default it follows from the kind of row. */
  readonly trainOn?: TrainOn | undefined;
  /** Whether the model's prompts stand before texts that are compared: for evaluation. */
  readonly usesPrompts?: boolean | undefined;
  /** The prompt before texts to embed, instead of the model's default one; none if the model has no prompt of this name. */
  readonly promptName?: string | undefined;
}

/** What a task can depend on besides its rows. */
export interface TaskSource {
  /** The model's folder. */
  readonly folder: string;
  /** The model's hidden size. */
  readonly width: number;
  readonly settings: EmbeddingSettings;
  /** The training rows, if they are known. */
  readonly examples?: readonly Example[];
  /** The rows to evaluate on, if they are known and others than the training rows. */
  readonly evaluated?: readonly Example[] | undefined;
}

/** The rows that a run is evaluated on. */
export interface EvaluatedSplits<E extends Example = Example> {
  readonly validation: readonly E[] | undefined;
  readonly test: readonly E[] | undefined;
  /** Training rows that are held out. */
  readonly holdout: readonly E[] | undefined;
}

/** transformers' `problem_type`, which distinguishes tasks with the same kind of head. */
export interface Problem {
  readonly type: string;
  /** The minimum and maximum number of outputs. */
  readonly outputs: readonly [fewest: number, most: number];
  /** Whether a checkpoint without a problem type has this one, if its number of outputs allows. */
  readonly isAssumed: boolean;
}

/**
 * A task that models are fine-tuned for: everything that the rest of the program knows about it. A new task is a file with such a value
 * and a line in `TASKS`.
 */
export interface Task<
  E extends Example = Example,
  Row extends EncodedRow = EncodedRow,
  Prediction extends object = object,
  Reference = unknown,
> {
  /** What a row contains, for help and documentation. */
  readonly rows: string;
  readonly head: HeadKind;
  /** PEFT's `task_type`. */
  readonly peftTaskType: string;
  readonly problem?: Problem;
  /** The names of the outputs, if these are not the labels of the rows. */
  readonly outputs?: readonly string[];
  /** Whether `trainOn` applies. */
  readonly takesTrainOn?: boolean;
  /** Whether `predict` generates text. */
  readonly isGenerative?: boolean;
  /** Whether rows to predict can have another number of texts than rows to train on. */
  readonly textsVary?: boolean;
  /** How embeddings are made, for the task of embedding texts. */
  readonly embedding?: EmbeddingFormat;
  /** Whether embeddings are evaluated on pairs with a score, as far as known. */
  readonly isScored?: boolean | undefined;
  /**
   * Checks that one metric applies to all rows that a run is evaluated on; absent if it always does.
   * @throws UsageError naming two splits with different metrics
   */
  checkEvaluated?(splits: EvaluatedSplits<E>): void;
  /** The task for a model and the settings of a run; absent if it depends on neither. @throws UsageError for settings that do not fit */
  configured?(source: TaskSource): Task;

  /** Reads the rows of a file, or rows that are in memory. @throws BidoraError naming file, line or column at fault */
  read(file: RowSource, options: LoadRowsOptions): Promise<Dataset<E>>;
  /**
   * What metrics compare an example's prediction with.
   * @param labels required for a task whose labels have names
   * @throws BidoraError naming a row whose label does not fit
   */
  reference(example: E, labels: LabelMap | undefined): Reference;
  /**
   * Encodes examples, in order. Several rows of one example are consecutive and share its `at`.
   * @throws BidoraError naming a row whose label does not fit
   */
  encode(examples: readonly E[], tokenizer: Tokenizer, options: EncodeOptions): Promise<Row[]>;
  /**
   * Computes the outputs of a batch; by default those of the model's head.
   * @returns `[n, width]` with `outputRows` vectors for each row of the batch
   */
  forward?(model: TaskModel, batch: Batch<Row>, context: ForwardContext): Tensor;
  /** The parts of a batch, in any order, whose outputs are computed one at a time in training; the loss is that of the whole batch. */
  miniBatches?(batch: Batch<Row>): readonly Batch<Row>[];
  /** Whether the loss of a batch is not the sum of its rows' losses, since it compares the rows with each other. */
  comparesRows?(rows: readonly Row[]): boolean;
  /** How many vectors `forward` returns for a row. */
  outputRows?(row: Row): number;
  /** The weight of a labeled row in a mean loss: 1, or the number of its labeled tokens. */
  weight(row: Row): number;
  /**
   * The sum of the losses of labeled rows or tokens. Divided by the rows' weights it is the mean loss of transformers' model for the
   * task.
   * @param outputs [rows or tokens, outputs]
   */
  loss(outputs: Tensor, batch: Batch<Row>): Tensor;
  /**
   * The mean loss of labeled rows for a predictor that knows how often the labels occur, and nothing of a row: the lowest that predicting
   * the same for every row can be expected to reach. Absent where no such predictor is of interest.
   * @param known the rows that it knows
   */
  constantLoss?(known: readonly Row[], rows: readonly Row[]): number;
  /** Whether an example can be longer than a row, and is then encoded as several. */
  readonly splitsExamples?: boolean;
  /**
   * The prediction for one example, as the command `predict` writes it.
   * @param outputs of each of its rows
   * @param labels the names of the outputs
   */
  predict(outputs: readonly RowOutputs[], rows: readonly Row[], labels: readonly string[]): Prediction;
  /** Joins several predictions into one, for tasks that score predictions for the same prompt together. */
  join?(predictions: readonly Prediction[]): Prediction;
  /**
   * For a task whose rows are scored together: receives each row's prediction, and returns what is scored.
   * @param corpus more texts to search in, with their embeddings
   */
  together?(corpus?: readonly EmbeddedText[]): Together<Row, Prediction>;
  /** The part of a prediction that is scored, to read predictions from a file. */
  readonly prediction?: Schema;
  /** The metrics that the task reports. */
  scorer(options: ScorerOptions): Scorer<Reference, Prediction>;
}

/** An example's prediction. */
export interface RowPrediction<Row = EncodedRow, Prediction extends object = object> {
  /** The example's first row. */
  readonly row: Row;
  readonly prediction: Prediction;
}

/** Collects the predictions for rows that are scored together. */
export interface Together<Row, Prediction extends object> {
  /** What is scored, if not rows. */
  readonly units?: "queries" | undefined;
  /** Takes a row's prediction. */
  add(predicted: RowPrediction<Row, Prediction>): void;
  /** What is scored: references and predictions as the task's metric takes them. */
  scored(signal?: AbortSignal): Promise<readonly RowPrediction[]>;
}

/** A text with its embedding. */
export interface EmbeddedText {
  readonly text: string;
  readonly embedding: ArrayLike<number>;
}

/** Lays rows end to end. */
export function batchOf<Row extends EncodedRow>(rows: readonly Row[], device?: string): Batch<Row> {
  checkArguments("batchOf", ["rows", rows, rowsOfTokens]);
  return { rows, ...modelInput(rows, undefined, device) };
}

/** The sum of the weights of labeled rows. */
export function lossWeight(task: Task, batch: Batch): number {
  checkArguments("lossWeight", ["task", task, aTask], ["batch", batch, aBatch]);
  return batch.rows.reduce((sum, row) => sum + task.weight(row), 0);
}

/** The outputs of a batch that loss and predictions are computed from. */
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

  /** One vector: the only one by default, otherwise that of token `index`. */
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

/** The sum of the losses of a batch's rows, to differentiate; `lossWeight` is what to divide it by. */
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

// Arguments of calls

export const aTask = having("a task, such as sequenceClassification", "encode", "loss", "weight");
export const aNamedTask = having("a task under a name, { kind, task }", "kind", "task");
export const aTokenizer = having("a tokenizer, as loadTokenizer returns it", "encodeBatch");
const aBatch = having("a batch, as batchOf returns it", "rows", "inputIds");
export const examplesOfRows = listOf(
  "a list of examples, as loadTexts reads them",
  having("an example", "input", "at"),
);

// What a task is.
import { having, type Schema } from "../base/index.js";
import type { CrossEncoderFormat, EmbeddingFormat } from "../formats/index.js";
import type { LossFacts } from "../models/adapters/index.js";
import type { HeadKind, TaskModel } from "../models/index.js";
import type { ForwardContext } from "../models/nn/index.js";
import type { Tokenizer } from "../text/index.js";
import type { Tensor } from "../torch/index.js";
import type { Batch, EncodedExample, EncodeOptions, ExampleOutputs, ExamplePrediction } from "./batch.js";
import type { Dataset, Example, LabelMap, LoadRowsOptions, RowSource } from "./data/index.js";
import type { EmbeddingSettings } from "./embedding/losses.js";
import type { PreferenceSettings, RewardSettings } from "./preference/losses.js";
import type { Scorer, ScorerOptions } from "./scorer.js";

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
  X extends EncodedExample = EncodedExample,
  Prediction extends object = object,
  Reference = unknown,
> {
  /** What a row of its files contains, for help and documentation. */
  readonly rows: string;
  readonly head: HeadKind;
  /** PEFT's `task_type`. */
  readonly peftTaskType: string;
  readonly problem?: Problem;
  /** The names of the outputs, if these are not the labels of the examples. */
  readonly outputs?: readonly string[];
  /** Whether `trainOn` applies. */
  readonly takesTrainOn?: boolean;
  /** The parts of an example's tokens, in order, for a task whose examples have several texts. */
  textParts?(example: X): readonly ExamplePart[];
  /** Whether `predict` generates text. */
  readonly isGenerative?: boolean;
  /** How embeddings are made, for the task of embedding texts. */
  readonly embedding?: EmbeddingFormat;
  /** How a model's outputs become scores, for the task of reranking. */
  readonly reranking?: CrossEncoderFormat;
  /** The most tokens of a text by the model's folder, or the task's usual number. */
  readonly maxLength?: number | undefined;
  /** What only a task has that compares examples with each other. */
  readonly contrastive?: ContrastiveTask;
  /** The loss of a task that has a choice: evaluation takes it from the adapter. */
  readonly lossSettings?: LossFacts | undefined;
  /** Whether it compares outputs with those of the model before training: examples get them as `startOutputs`. */
  readonly comparesWithStart?: boolean;
  /** Whether its model trains without dropout. */
  readonly trainsWithoutDropout?: boolean;
  /** The task for a model and the settings of a run. @throws UsageError for settings that do not fit */
  configured?(source: TaskSource): Task<E, X, Prediction, Reference>;

  /** Reads the rows of a file, or rows that are in memory, as examples. @throws BidoraError naming file, line or column at fault */
  read(file: RowSource, options: LoadRowsOptions): Promise<Dataset<E>>;
  /**
   * What metrics compare an example's prediction with.
   * @param labels required for a task whose labels have names
   * @throws BidoraError naming an example whose label does not fit
   */
  reference(example: E, labels: LabelMap | undefined): Reference;
  /**
   * Encodes examples, in order. Several parts of one example are consecutive and share its `at`.
   * @throws BidoraError naming an example whose label does not fit
   */
  encode(examples: readonly E[], tokenizer: Tokenizer, options: EncodeOptions): Promise<X[]>;
  /**
   * Computes the outputs of a batch; by default those of the model's head.
   * @returns `[n, width]` with `outputVectors` vectors for each example of the batch
   */
  forward?(model: TaskModel, batch: Batch<X>, context: ForwardContext): Tensor;
  /** How many vectors `forward` returns for an example. */
  outputVectors?(example: X): number;
  /**
   * Sums over a batch that the losses of all of the step's batches depend on, as constants: a vector. They are added up over the step, and
   * given to each of its batches as `sums`.
   */
  stepSums?(model: TaskModel, batch: Batch<X>): Tensor;
  /** The examples of whole batches, for a task whose losses depend on which examples are together; always in one order. */
  arranged?(examples: readonly X[]): readonly X[];
  /** Whether an example is left out of training and evaluation, since nothing of it is within the maximum length. */
  isLeftOut?(example: X): boolean;
  /** The weight of a labeled example in a mean loss: 1, or the number of its labeled tokens. */
  weight(example: X): number;
  /** Why examples may have a weight of 0; by default since they have no labeled tokens within the maximum length. */
  readonly whyWithoutLoss?: string;
  /**
   * The sum of the losses of labeled examples or tokens. Divided by the examples' weights it is the mean loss of transformers' model
   * for the task.
   * @param outputs [examples or tokens, outputs]
   */
  loss(outputs: Tensor, batch: Batch<X>): Tensor;
  /**
   * The same for each group of a batch's examples, where it is another number than `loss` of the group's outputs alone.
   * @returns undefined where it is that number
   * @throws UsageError if the loss is no sum over examples
   */
  groupLosses?(outputs: Tensor, batch: Batch<X>, groups: readonly (readonly number[])[]): Tensor[] | undefined;
  /**
   * The mean loss of labeled examples for a predictor that knows how often the labels occur, and nothing of an example: the lowest that
   * predicting the same for each can be expected to reach. Absent where no such predictor is of interest.
   * @param known the examples that it knows
   */
  constantLoss?(known: readonly X[], examples: readonly X[]): number;
  /**
   * The best single prediction for every example that the labels of known examples suggest, whatever the example: a baseline. Of equally
   * good ones the first by the order of the outputs. Absent for tasks whose predictions depend on each example's own words.
   * @param labels the names of the outputs
   */
  constantPrediction?(known: readonly X[], labels: readonly string[]): ConstantPredictor<Reference>;
  /** The same of an answer that was found before, from examples that are no longer known. */
  constantOf?(answer: ConstantPredictor["answer"]): ConstantPredictor<Reference>;
  /**
   * Of a task whose predictions are right or wrong: how sure a wrong one was, as the largest probability of what is wrong in it (1 for a
   * prediction without probabilities); undefined for a right one.
   * @param labels the names of the outputs
   */
  mistake?(prediction: Prediction, reference: Reference, labels: readonly string[]): number | undefined;
  /** Whether an example that is longer than the model takes is encoded in several parts. */
  readonly splitsExamples?: boolean;
  /**
   * The prediction for one example, as the command `predict` writes it.
   * @param outputs of each of its parts
   * @param labels the names of the outputs
   */
  predict(outputs: readonly ExampleOutputs[], parts: readonly X[], labels: readonly string[]): Prediction;
  /** What a training step reports besides its loss, by its examples' predictions. @param sums as `stepSums` gave them */
  stepMetrics?(
    predictions: readonly Prediction[],
    sums: readonly number[] | undefined,
  ): Readonly<Record<string, number>>;
  /** A prediction as the command `predict` writes it; by default all of it. */
  written?(prediction: Prediction): object;
  /** Joins several predictions into one, for tasks that score predictions for the same prompt together. */
  join?(predictions: readonly Prediction[]): Prediction;
  /** The part of a prediction that is scored, to read predictions from a file. */
  readonly prediction?: Schema;
  /** The metrics that the task reports. */
  scorer(options: ScorerOptions): Scorer<Reference, Prediction>;
}

/** Predicts the same for every example. */
export interface ConstantPredictor<Reference = unknown> {
  /** What it predicts: a label, labels, or a number. */
  readonly answer: string | number | readonly string[];
  /** What is scored of the prediction for an example with this reference, of which it may take the number of words. */
  of(reference: Reference): object;
}

/**
 * What only a task has that compares examples with each other, in losses or in metrics, as the tasks of embedding texts and of reranking
 * documents do.
 */
export interface ContrastiveTask {
  /** Whether embeddings are evaluated on pairs with a score, as far as known. */
  readonly isScored: boolean | undefined;
  /**
   * Checks that one metric applies to all examples that a run is evaluated on.
   * @throws UsageError naming two splits with different metrics
   */
  checkEvaluated(splits: EvaluatedSplits): void;
  /** Checks that a level of a search has examples to compare. @throws UsageError if they teach it nothing */
  checkLevel(examples: readonly EncodedExample[], level: "lower" | "upper"): void;
  /** The parts of a batch, in any order, whose outputs are computed one at a time in training; the loss is that of the whole batch. */
  miniBatches(batch: Batch): readonly Batch[];
  /** Whether the loss of a batch is not the sum of its examples' losses, since it compares them with each other. */
  comparesExamples(examples: readonly EncodedExample[]): boolean;
  /** Receives each example's prediction, and returns what is scored. @param corpus more texts to search in, with their embeddings */
  together(corpus?: readonly EmbeddedText[]): Together;
}

/** Consecutive tokens of an example. */
export interface ExamplePart {
  readonly name: string;
  readonly tokens: number;
  /** Whether they count in the loss. */
  readonly bearsLoss: boolean;
}

/** Whether a task's model is a language model, which generates text however it was trained. */
export const isOfLanguageModel = ({ head }: Pick<Task, "head">): boolean => head.className === "ForCausalLM";

/** Whether a task's examples are several texts, which only its own `forward` gives a model rightly. */
export const hasSeveralTexts = ({ contrastive, textParts }: Pick<Task, "contrastive" | "textParts">): boolean =>
  contrastive !== undefined || textParts !== undefined;

/** Whether a task's rows may be conversations, which a chat template renders. */
export const takesChats = (task: Pick<Task, "head" | "textParts">): boolean =>
  isOfLanguageModel(task) || task.textParts !== undefined;

/** What a task can depend on besides its examples. */
export interface TaskSource {
  /** The model's folder. */
  readonly folder: string;
  /** The model's hidden size. */
  readonly width: number;
  readonly settings: TaskSettings;
  /** Those to train on, if they are known. */
  readonly examples?: readonly Example[];
  /** Those to train the upper level on, if it has a file of its own. */
  readonly upper?: readonly Example[] | undefined;
  /** Those to evaluate on, if they are known and there are any. */
  readonly evaluated?: readonly Example[] | undefined;
}

/** The settings that tasks depend on. */
export type TaskSettings = Omit<EmbeddingSettings, "loss"> &
  Omit<PreferenceSettings, "loss"> &
  RewardSettings & {
    readonly loss?: string | undefined;
    /** The examples of an optimizer step. */
    readonly stepSize?: number | undefined;
  };

/** The examples that a run is evaluated on. */
export interface EvaluatedSplits {
  readonly validation: readonly Example[] | undefined;
  readonly test: readonly Example[] | undefined;
  /** Held out from those to train on. */
  readonly holdout: readonly Example[] | undefined;
}

/** Collects the predictions for examples that are scored together. */
export interface Together {
  /** What is scored, if not each example. */
  readonly units?: "queries" | undefined;
  /** Takes the prediction for an example. */
  add(predicted: ExamplePrediction): void;
  /** What is scored: references and predictions as the task's metric takes them. */
  scored(signal?: AbortSignal): Promise<readonly ExamplePrediction[]>;
}

/** A text with its embedding. */
export interface EmbeddedText {
  readonly text: string;
  readonly embedding: ArrayLike<number>;
}

// Arguments of calls

export const aTask = having("a task, such as sequenceClassification", "encode", "loss", "weight");
export const aNamedTask = having("a task under a name, { kind, task }", "kind", "task");

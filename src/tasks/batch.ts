// What tasks work on: encoded examples, batches of them, and a model's outputs for each.
import { checkArguments, having, listOf } from "../base/index.js";
import type { TRAIN_ON } from "../models/adapters/index.js";
import { type ModelInput, modelInput, rowsOfTokens } from "../models/index.js";
import type { Encoded } from "../text/index.js";
import { type LabelMap, type Location, where } from "./data/index.js";

/** The part of a language model's text that the loss is computed on. */
export type TrainOn = (typeof TRAIN_ON)[number];

/** An example as token ids, without padding; one of its parts, if it is longer than the model takes. */
export interface EncodedExample<Target = unknown, Source = unknown> extends Encoded {
  /** What the loss compares the outputs with; undefined in examples to predict. */
  readonly target: Target | undefined;
  /** What metrics compare the prediction with, in labeled examples. */
  readonly reference?: unknown;
  /** The example that it was made from when it came into a batch, and another that it took something of. */
  readonly origin?: EncodedExample<Target, Source> | undefined;
  readonly other?: EncodedExample<Target, Source> | undefined;
  /** Its outputs by the model before training, for tasks that compare with them. */
  readonly startOutputs?: readonly number[] | undefined;
  /** The text that a prediction is a part of. */
  readonly source?: Source;
  readonly at: Location;
}

/** Examples laid end to end, without padding: the model's input. */
export interface Batch<X extends EncodedExample = EncodedExample> extends ModelInput {
  readonly examples: readonly X[];
  /** Groups whose losses are wanted apart, as indices of examples; by default there is one loss, of all. */
  readonly groups?: readonly (readonly number[])[] | undefined;
  /** The sums over all of a step's examples that its losses depend on, as the task's `stepSums` computes them. */
  readonly sums?: readonly number[] | undefined;
}

/** Some of a batch's examples, by index. */
export type Group = readonly number[];

/** What encoding depends on besides the task. */
export interface EncodeOptions {
  /** Required for labeled examples of a task whose labels have names. */
  readonly labels: LabelMap | undefined;
  /** The maximum number of tokens in an encoded example, special tokens included. */
  readonly maxLength: number | undefined;
  /** By default it follows from the kind of example. */
  readonly trainOn?: TrainOn | undefined;
  /** Whether the model's prompts stand before texts that are compared: for evaluation. */
  readonly usesPrompts?: boolean | undefined;
  /** The prompt before texts to embed, instead of the model's default one; none if the model has no prompt of this name. */
  readonly promptName?: string | undefined;
}

/** The number of tokens in all examples together. */
export const tokensIn = (examples: readonly EncodedExample[]): number =>
  examples.reduce((sum, { inputIds }) => sum + inputIds.length, 0);

/** Lays examples end to end. */
export function batchOf<X extends EncodedExample>(examples: readonly X[], device?: string): Batch<X> {
  checkArguments("batchOf", ["examples", examples, rowsOfTokens]);
  return { examples, ...modelInput(examples, undefined, device) };
}

/** The outputs of one encoded example: one vector, or one for each of its tokens. */
export class ExampleOutputs {
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

/** An example's prediction. */
export interface ExamplePrediction<X = EncodedExample, Prediction extends object = object> {
  /** Its first part. */
  readonly example: X;
  readonly prediction: Prediction;
}

/** The target of a labeled example. @throws TypeError for one without a label */
export function targetOf<Target>({ target, at }: EncodedExample<Target>): Target {
  if (target === undefined) throw new TypeError(`${where(at)} has no label, so no loss.`);
  return target;
}

// Arguments of calls

export const aTokenizer = having("a tokenizer, as loadTokenizer returns it", "encodeBatch");
export const listOfExamples = listOf(
  "a list of examples, as loadTexts reads them",
  having("an example", "input", "at"),
);

import type { Phase } from "../common/run.js";
import type { JsonValue } from "./json.js";
import type { Metrics } from "./metrics.js";

/**
 * What a run tells its observers, and what `events.jsonl` holds: one JSON object a line. No value is NaN or infinite;
 * `time` is ISO 8601; steps count from 1 through the whole run, search and retraining together.
 */
export type RunEvent =
  | StartEvent
  | StepEvent
  | EvaluationEvent
  | MagnitudesEvent
  | CheckpointEvent
  | DoneEvent
  | ErrorEvent;

/** An event's name. */
export type EventName = RunEvent["event"];

export type { Phase };

interface Timed {
  readonly time: string;
}

/** Where in the training an event belongs. */
interface InTraining extends Timed {
  readonly phase: Phase;
  readonly step: number;
}

/** What a run was made with. */
export interface Versions {
  readonly bidora: string;
  readonly node: string;
  readonly libtorch: string;
}

/** The machine that a run is on. */
export interface MachineFacts {
  /** Operating system and its release, with the architecture. */
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  /** Threads that libtorch computes with. */
  readonly threads: number;
  readonly memoryBytes: number;
  /** `cpu`, `cuda:0`, … */
  readonly device: string;
  /** The matrix library behind libtorch. */
  readonly blas: string;
  /** Whether the processor computes bfloat16 products itself. */
  readonly fastBfloat16: boolean;
}

/** How many numbers a model has, and how many of them are trained. */
export interface ParameterCounts {
  readonly total: number;
  readonly trained: number;
}

/** How many rows each part of the data has. */
export interface RowCounts {
  readonly train: number;
  readonly validation?: number;
  readonly test?: number;
}

/** First event of a run, and of each resumption. */
export interface StartEvent extends Timed {
  readonly event: "start";
  readonly versions: Versions;
  readonly machine: MachineFacts;
  /** Every setting of the run as resolved, by its key in `run.yaml`. */
  readonly settings: Readonly<Record<string, JsonValue>>;
  /** The keys of those that have no effect in the run. */
  readonly idle?: readonly string[];
  readonly parameters: ParameterCounts;
  /** Of each file, before long ones are split. */
  readonly rows: RowCounts;
  /** What evaluations are judged by: the task's main metric, which early stopping goes by too, and which way is better. */
  readonly judgedBy?: { readonly metric: string; readonly goal: "maximize" | "minimize" };
  /** Optimiser steps that each phase is going to have. */
  readonly steps: Partial<Readonly<Record<Phase, number>>>;
}

/** One optimiser step; of a search, its lower and upper step together. */
export interface StepEvent extends InTraining {
  readonly event: "step";
  /** Mean loss of the step's training rows. */
  readonly loss: number;
  /** Loss of the upper level's rows, in a search. */
  readonly upperLoss?: number;
  /**
   * Where a search is ended by it: of the step that ends a pass over the upper level's rows, the mean over everything that bore loss
   * in the pass, each batch with the loss that it had in its step.
   */
  readonly upperPassLoss?: number;
  /** Euclidean norm of the hypergradient over all magnitudes, in a search. */
  readonly hypergradientNorm?: number;
  /**
   * How much of it is second-order: the Euclidean norm of what the second term takes away over `hypergradientNorm`. Above 1 where the
   * two terms oppose each other; absent from a first-order search, and where the hypergradient is zero.
   */
  readonly secondOrderShare?: number;
  readonly learningRate: number;
  /** Wall time of the step. */
  readonly seconds: number;
  readonly rows: number;
  /** Real tokens, padding left out. */
  readonly tokens: number;
  /** What is worth a line, said once: another way than the one that was asked for. */
  readonly note?: string;
}

/** Metrics on the validation rows. */
export interface EvaluationEvent extends InTraining {
  readonly event: "evaluation";
  readonly metrics: Metrics;
}

/** How far the magnitudes have moved, told at each evaluation of a method that has them. */
export interface MagnitudesEvent extends InTraining {
  readonly event: "magnitudes";
  /** By module path, the mean of |m − m₀| over the module's magnitudes, m₀ being theirs at the start of the run. */
  readonly layers: Readonly<Record<string, number>>;
}

/** A checkpoint lies whole at `path`. */
export interface CheckpointEvent extends InTraining {
  readonly event: "checkpoint";
  readonly path: string;
}

/** The run has ended well. */
export interface DoneEvent extends Timed {
  readonly event: "done";
  readonly metrics: Metrics;
  /** Rows whose metrics are too good: they decided when the training stopped, and which state was kept. Absent where there are none. */
  readonly chosenBy?: "validation";
  /** Wall time of the whole run, evaluations included. */
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

/** The run has failed; `phase` and `step` where it was in training. */
export interface ErrorEvent extends Timed {
  readonly event: "error";
  readonly phase?: Phase;
  readonly step?: number;
  readonly code: string;
  readonly message: string;
}

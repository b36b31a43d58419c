// The events of a run, as observers get them and as events.jsonl holds them.
import type { Phase } from "../run.js";
import type { JsonValue } from "./json.js";
import type { Goal, Metrics } from "./metrics.js";

/**
 * An event of a run: one JSON object on each line of `events.jsonl`. No value is NaN or infinite. `time` is ISO 8601. Steps count from 1
 * through the whole run, search and retraining together.
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

/** An event during training. */
interface InTraining extends Timed {
  readonly phase: Phase;
  readonly step: number;
}

/** The versions of the software of a run. */
export interface Versions {
  readonly bidora: string;
  readonly node: string;
  readonly libtorch: string;
}

/** The machine of a run. */
export interface MachineFacts {
  /** Operating system, release and architecture. */
  readonly system: string;
  readonly processor: string;
  readonly cores: number;
  /** The number of libtorch's threads. */
  readonly threads: number;
  readonly memoryBytes: number;
  /** Where the model computes: `cpu`, `cuda:0`, … */
  readonly device: string;
  /** The BLAS of libtorch. */
  readonly blas: string;
  /** Whether the processor has instructions for bfloat16 products. */
  readonly fastBfloat16: boolean;
}

/** The number of a model's parameters, and of those that are trained. */
export interface ParameterCounts {
  readonly total: number;
  readonly trained: number;
}

/** The number of rows in each part of the data. */
export interface RowCounts {
  readonly train: number;
  /** The upper level's, if they have a file of their own. */
  readonly upper?: number;
  readonly validation?: number;
  readonly test?: number;
}

/**
 * Where a setting of a run can come from: a flag (or the library's call), the run file, the adapter that the run starts from, the model
 * and the data once they are read, the other settings, or the option's default.
 */
export const SETTING_SOURCES = ["flag", "file", "adapter", "data", "derived", "default"] as const;

/** Where a setting of a run comes from. */
export type SettingSource = (typeof SETTING_SOURCES)[number];

/** The first event of a run, and of each resumption. */
export interface StartEvent extends Timed {
  readonly event: "start";
  readonly versions: Versions;
  readonly machine: MachineFacts;
  /** Every resolved setting of the run, by its key in `run.yaml`. */
  readonly settings: Readonly<Record<string, JsonValue>>;
  /** Where each setting comes from, by its key. Earlier versions wrote none. */
  readonly sources?: Readonly<Record<string, SettingSource>>;
  /** The keys of settings without effect in the run. */
  readonly idle?: readonly string[];
  readonly parameters: ParameterCounts;
  /** The rows of each file, before long ones are split. */
  readonly rows: RowCounts;
  /** How many processes train together. Earlier versions did not write it. */
  readonly processes?: number;
  /** The training rows of one optimizer step, over all processes and accumulated batches. Earlier versions did not write it. */
  readonly rowsPerStep?: number;
  /** The task's main metric, by which evaluations are judged, and which way is better. */
  readonly judgedBy?: { readonly metric: string; readonly goal: Goal };
  /** The metric by which early stopping chooses; absent without it. Earlier versions wrote none and went by `judgedBy`. */
  readonly stopsBy?: { readonly metric: string; readonly goal: Goal };
  /** The planned optimizer steps of each phase. */
  readonly steps: Partial<Readonly<Record<Phase, number>>>;
}

/** One optimizer step. In a search it is a lower and an upper step together. */
export interface StepEvent extends InTraining {
  readonly event: "step";
  /** Mean loss of the step's training rows, before the step; in a search those of the last lower step. */
  readonly loss: number;
  /** The loss on the upper level's rows, in a search. */
  readonly upperLoss?: number;
  /**
   * At the last step of a pass over the upper level's rows: the mean loss of the pass, each batch with the loss of its step. Present
   * only if this loss can end the search.
   */
  readonly upperPassLoss?: number;
  /** The Euclidean norm of the hypergradient over all that the upper optimizer steps on, in a search. */
  readonly hypergradientNorm?: number;
  /**
   * The Euclidean norm of the second-order term relative to `hypergradientNorm`. It is above 1 if the two terms oppose each other,
   * and absent from a first-order search, if the hypergradient is zero, and for weight decays and weights of sources, where it would be 1.
   */
  readonly secondOrderShare?: number;
  /** What the upper level is worth after the step, by name, where it is no tensor of the model: scales, weight decays, weights of sources. */
  readonly upper?: Readonly<Record<string, number>>;
  readonly learningRate: number;
  /** What the task reports of the step's rows, before the step: rewards, in preference tuning. Not in a search. */
  readonly metrics?: Metrics;
  /** Wall time of the step. */
  readonly seconds: number;
  readonly rows: number;
  /** Tokens without padding. */
  readonly tokens: number;
  /**
   * How many times the step went on with the next batches, because the loss or a gradient of those before was not finite; absent if it did
   * not. Only with `onNonfinite: "skip"`, and in float16 until the loss's scale is low enough.
   */
  readonly skipped?: number;
  /** A message for the user, sent once, for example that something other than requested is computed. */
  readonly note?: string;
}

/** Metrics on the validation rows, or, at step 0 (with `evalOnStart`), of the start on the test rows or else the validation rows. */
export interface EvaluationEvent extends InTraining {
  readonly event: "evaluation";
  readonly metrics: Metrics;
}

/** How far the magnitudes have moved. Sent at each evaluation of a method with magnitudes. */
export interface MagnitudesEvent extends InTraining {
  readonly event: "magnitudes";
  /** By module path, the mean of |m − m₀| over the module's magnitudes; m₀ are those at the start of the run. */
  readonly layers: Readonly<Record<string, number>>;
}

/** A checkpoint was saved at `path`. */
export interface CheckpointEvent extends InTraining {
  readonly event: "checkpoint";
  readonly path: string;
}

/** The run has finished. */
export interface DoneEvent extends Timed {
  readonly event: "done";
  readonly metrics: Metrics;
  /** The sum of the steps' `skipped`, if there were any. */
  readonly skipped?: number;
  /** The rows that decided when the training stopped and which state was kept, so that their metrics are too good. */
  readonly chosenBy?: "validation";
  /** No trained tensor of the result differs from the run's start; absent otherwise. */
  readonly untrained?: true;
  /** The same metrics of the constant that the training rows' labels suggest; absent for tasks without one. Earlier versions wrote none. */
  readonly majority?: Metrics;
  /** Wall time of the whole run, including evaluations. */
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

/** The run has failed. `phase` and `step` are present if it failed during training. */
export interface ErrorEvent extends Timed {
  readonly event: "error";
  readonly phase?: Phase;
  readonly step?: number;
  readonly code: string;
  readonly message: string;
}

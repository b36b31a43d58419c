import type { Tensor } from "../torch/index.js";
import type { AdapterConfig } from "./config.js";

/** An optimiser step that has been done. */
export interface FinishedStep {
  /** From 1, of `steps` in the run. */
  readonly step: number;
  readonly steps: number;
  /** What the optimiser was given, clipped, by the names of the trained tensors. */
  readonly gradients: ReadonlyMap<string, Tensor>;
}

/** What a method does beside the optimiser while it trains: AdaLoRA's penalty, and its ranks that shrink. */
export interface TrainingHooks {
  /** A scalar added to each step's loss, once however many batches the step has, and not told with it. */
  penalty?(): Tensor;
  /** Changes tensors in place after an optimiser step, unrecorded. */
  afterStep?(step: FinishedStep): void;
  /** What it remembers from step to step, by name, in the same tensors throughout: checkpoints keep their values. */
  readonly memory?: ReadonlyMap<string, Tensor>;
  /** What a file gets of the adapter's settings and tensors: of AdaLoRA's ranks those that are left. */
  saved?<Saved extends SavedState>(state: Saved): Saved;
}

/** An adapter's settings and tensors, by name without `base_model.model.`. */
export interface SavedState {
  readonly config: AdapterConfig;
  readonly tensors: ReadonlyMap<string, Tensor>;
}

import { type MagnitudeAxis, weightChange } from "../adapters/index.js";
import { BidoraError } from "../common/errors.js";
import type { AnalyzedStep } from "../files/analysis.js";
import type { Tensor } from "../torch/index.js";
import type { RunState } from "./runStates.js";

/** One layer through a run, before it has a kind. */
export interface LayerCourse {
  readonly path: string;
  readonly vectors: number;
  readonly steps: AnalyzedStep[];
}

/** What a run's layers went through, and from where. */
export interface RunCourse {
  /** The folder of the pretrained model. */
  readonly model: string;
  readonly layers: readonly LayerCourse[];
}

/** A layer's weight at the start and at a saved step, both [out, in]. */
export interface WeightPair {
  readonly before: Tensor;
  readonly after: Tensor;
}

/** Gathers layers' changes, one weight at a time. */
export class Courses {
  readonly #layers = new Map<string, LayerCourse>();

  /** @param rounding as `weightChange` has it */
  constructor(
    readonly axis: MagnitudeAxis,
    readonly rounding: number,
  ) {}

  get layers(): readonly LayerCourse[] {
    return [...this.#layers.values()];
  }

  /** @throws BidoraError `NOT_FINITE` */
  add(path: string, { folder, step, phase }: RunState, { before, after }: WeightPair): void {
    const change = weightChange(before, after, this.axis, this.rounding);
    if (!Number.isFinite(change.deltaM) || !Number.isFinite(change.deltaD)) {
      throw new BidoraError(
        "NOT_FINITE",
        `The weight of ${path} in ${folder}, or the pretrained one, holds something other than finite numbers.`,
      );
    }
    const vectors = before.shape[this.axis === "out" ? 0 : 1]!;
    const layer = this.#layers.get(path) ?? { path, vectors, steps: [] };
    this.#layers.set(path, layer);
    layer.steps.push({ step, phase, ...change });
  }
}

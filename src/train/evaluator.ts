import type { TrainedTensor } from "../adapters/index.js";
import type { Metrics } from "../files/metrics.js";
import type { RunHandle, RunObserver } from "./observer.js";
import { magnitudeMovement, type Snapshot } from "./trained.js";

export interface EvaluatorOptions {
  /** Steps between evaluations. */
  readonly every: number;
  readonly evaluate: () => Promise<Metrics>;
  readonly trained: readonly TrainedTensor[];
  readonly start: Snapshot;
}

/** Evaluates every so many steps and tells the metrics, and how far the magnitudes have moved. */
export function evaluator(options: EvaluatorOptions): RunObserver {
  return {
    async on(event, run) {
      if (event.event !== "step" || !run || event.step % options.every !== 0) return;
      await tellEvaluation(await options.evaluate(), options, run);
    },
  };
}

/** Emits an `evaluation` event if there are metrics, and a `magnitudes` event for a method that has them. */
export async function tellEvaluation(
  metrics: Metrics,
  { trained, start }: Pick<EvaluatorOptions, "trained" | "start">,
  run: Pick<RunHandle, "emit" | "phase" | "step">,
): Promise<void> {
  const { phase, step } = run;
  const layers = magnitudeMovement(trained, start);
  if (Object.keys(layers).length) await run.emit({ event: "magnitudes", phase, step, layers });
  if (Object.keys(metrics).length) await run.emit({ event: "evaluation", phase, step, metrics });
}

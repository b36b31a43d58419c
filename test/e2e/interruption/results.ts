import { join } from "node:path";
import { bytes, eventsIn, json, list, oneLayer, ROWS, stepsOf } from "../support.js";

export const VALIDATION = join(ROWS, "pairs.jsonl");
/**
 * A model with dropout, rows in random order, the adapter's own dropout: everything that draws random numbers. Each test file needs its own,
 * since the model's folder is removed at its end.
 */
export const randomRun = () => ({ model: oneLayer(), dropout: 0.2, maxSteps: 6, seed: 3 }) as const;

/** All results of a run that must not depend on interruptions. */
export function results(output: string) {
  const steps = stepsOf(eventsIn(output)).map(({ step, phase, loss, learningRate, rows }) => [
    step,
    phase,
    loss,
    learningRate,
    rows,
  ]);
  return {
    adapter: bytes(output),
    metrics: json(join(output, "metrics.json")),
    side: json(join(output, "bidora.json")),
    steps,
    files: list(output).filter((name) => !name.startsWith("checkpoint-")),
  };
}

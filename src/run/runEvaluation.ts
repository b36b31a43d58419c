import { evaluateRows } from "../train/evaluation.js";
import type { Metrics } from "../train/events.js";
import type { Prepared } from "./prepare.js";

/** The metrics of a run's model as it is now. */
export function evaluateSplit(
  { config, choice, labels, positive, loaded, data }: Prepared,
  split: "validation" | "test",
  signal?: AbortSignal,
): Promise<Metrics> {
  const { task, metrics } = choice;
  const options = { task, labels, batchSize: config.batchSize, metrics, positive, signal };
  return evaluateRows(loaded.model, data[split] ?? [], options);
}

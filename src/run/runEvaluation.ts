import { evaluateRows, type Judgement } from "../train/evaluation.js";
import type { Prepared } from "./prepare.js";

/** Judges a run's model as it is now. */
export function evaluateSplit(
  { config, choice, labels, positive, loaded, data }: Prepared,
  split: "validation" | "test",
  signal?: AbortSignal,
): Promise<Judgement> {
  const { task, metrics } = choice;
  const options = { task, labels, batchSize: config.batchSize, metrics, positive, signal };
  return evaluateRows(loaded.model, data[split] ?? [], options);
}

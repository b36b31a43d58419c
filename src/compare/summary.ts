import { group } from "d3-array";
import { type ComparedRun, checkRuns } from "./comparison.js";
import { mean, sampleDeviation } from "./moments.js";

/** One metric of one method on one task, over its seeds. */
export interface SummaryEntry {
  readonly task: string;
  readonly method: string;
  readonly metric: string;
  readonly mean: number;
  /** Of a sample (n − 1); null for one run, which has none. */
  readonly deviation: number | null;
  /** How many runs have the metric. */
  readonly n: number;
}

/** Every metric of every method and task, in the order in which they first come up. @throws BidoraError as `checkRuns` */
export function summary(runs: readonly ComparedRun[]): SummaryEntry[] {
  checkRuns(runs);
  const values = runs.flatMap(({ task, method, metrics }) =>
    Object.entries(metrics).map(([metric, value]) => ({ task, method, metric, value })),
  );
  const groups = group(values, ({ task, method, metric }) => JSON.stringify([task, method, metric]));
  return [...groups.values()].map((entries) => {
    const { task, method, metric } = entries[0]!;
    const found = entries.map(({ value }) => value);
    return { task, method, metric, mean: mean(found), deviation: sampleDeviation(found), n: found.length };
  });
}

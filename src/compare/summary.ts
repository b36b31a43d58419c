import { group } from "d3-array";
import type { ComparedRun, SummaryEntry } from "../files/comparison.js";
import { checkRuns } from "./comparison.js";
import { mean, sampleDeviation } from "./moments.js";

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

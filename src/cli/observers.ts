import type { EvaluateResult } from "../commands/evaluate.js";
import { printableJson } from "../common/messages.js";
import type { RunEvent } from "../files/events.js";
import type { Metrics } from "../files/metrics.js";
import { formatTable, type Output } from "./output.js";
import { createProgress } from "./progress.js";
import { stderr, stdout } from "./streams.js";

export type RunObserver = (event: RunEvent) => void;

/** What a training command shows while it works: progress for people, and with `--json` each event on stdout. */
export function observersFor(output: Output): readonly RunObserver[] {
  const progress = output.quiet ? [] : [createProgress(stderr)];
  return output.json ? [...progress, writeEvent] : progress;
}

const writeEvent: RunObserver = (event) => {
  stdout.write(`${printableJson(event)}\n`);
};

/** Metrics as a table, with the interval of each where there are intervals. */
export function formatMetrics(metrics: Metrics, intervals?: EvaluateResult["intervals"]): string {
  const rows = Object.entries(metrics);
  if (!intervals) return formatTable(["metric", "value"], rows);
  return formatTable(
    ["metric", "value", "from", "to", "by"],
    rows.map(([name, value]) => {
      const { low = "", high = "", method = "" } = intervals[name] ?? {};
      return [name, value, low, high, method];
    }),
  );
}

import { group } from "d3-array";
import { formatBytes, formatCount, formatSeconds } from "../../common/format.js";
import { type Column, plain, type Table } from "../../compare/table.js";
import { terminalTable } from "../../compare/terminalTable.js";
import { resolveRun } from "../../config/index.js";
import type { HubOptions } from "../../io/hub/snapshot.js";
import { estimate } from "../estimate.js";
import type { Cell } from "./cells.js";
import { nowhere } from "./facts.js";

/** What the runs of a method on a task would take, each of them. */
export interface ExpectedCost {
  readonly task: string;
  readonly method: string;
  readonly runs: number;
  readonly trainedParameters: number;
  readonly steps: number;
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

/** What a comparison would cost. */
export interface ExpectedCosts {
  readonly pairs: readonly ExpectedCost[];
  /** Of all runs, so many at once as there are jobs. */
  readonly seconds: number;
  readonly peakMemoryBytes: number;
}

/** Estimates one run of each method on each task. */
export async function expectedCosts(
  cells: readonly Cell[],
  jobs: number,
  hooks: { readonly signal?: AbortSignal | undefined; readonly hub?: HubOptions | undefined },
): Promise<ExpectedCosts> {
  const groups = group(cells, ({ task, variant }) => JSON.stringify([task, variant.name]));
  const pairs: ExpectedCost[] = [];
  for (const own of groups.values()) {
    const [{ task, variant, settings }] = own as [Cell];
    const found = await estimate(resolveRun({ ...settings, output: nowhere() }), {
      ...(hooks.hub && { hub: hooks.hub }),
      ...(hooks.signal && { signal: hooks.signal }),
    });
    const { parameters, steps, seconds, peakMemoryBytes } = found;
    pairs.push({
      task,
      method: variant.name,
      runs: own.length,
      trainedParameters: parameters.trained,
      steps,
      seconds,
      peakMemoryBytes,
    });
  }
  const total = pairs.reduce((sum, { runs, seconds }) => sum + runs * seconds, 0);
  const largest = Math.max(...pairs.map((pair) => pair.peakMemoryBytes));
  return { pairs, seconds: total / jobs, peakMemoryBytes: jobs * largest };
}

/** The same for the terminal. */
export function costsText({ pairs, seconds, peakMemoryBytes }: ExpectedCosts): string {
  const column = (title: string, textOf: (pair: ExpectedCost) => string, align: Column["align"] = "right"): Column => ({
    group: "",
    title,
    align,
    cells: pairs.map((pair) => plain(textOf(pair))),
  });
  const table: Table = {
    heading: "Method",
    names: pairs.map(({ method }) => method),
    columns: [
      column("Task", ({ task }) => task, "left"),
      column("Runs", ({ runs }) => formatCount(runs)),
      column("Trained parameters", (pair) => formatCount(pair.trainedParameters)),
      column("Steps", ({ steps }) => formatCount(steps)),
      column("Time of one", (pair) => formatSeconds(pair.seconds)),
      column("Peak memory", (pair) => formatBytes(pair.peakMemoryBytes)),
    ],
    notes: [`All of it: about ${formatSeconds(seconds)}, and up to ${formatBytes(peakMemoryBytes)} at once.`],
  };
  return terminalTable(table);
}

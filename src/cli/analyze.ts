import { formatNumber } from "../common/format.js";
import { analyzeOptions } from "../config/index.js";
import type { Analysis } from "../files/analysis.js";
import { linesOf, phaseNotes } from "../report/renderAnalysis.js";
import { defineCommand } from "./command.js";
import { downloadHooks } from "./downloadProgress.js";
import { formatTable } from "./output.js";

export const analyze = defineCommand({
  usage: "analyze RUN… [--axis out|in] [--output DIR] [--overwrite]",
  about:
    "How weights moved in runs, magnitude and direction apart (DoRA, section 3.2), with regression lines: analysis.html and analysis.json. A run is its output folder; so is a comparison.",
  options: analyzeOptions,
  positionals: Number.POSITIVE_INFINITY,
  leavesFiles: true,
  run: async ({ given, positionals: runs, output }) => {
    const { analyze: look } = await import("../commands/analyze.js");
    const { analysis, page, data } = await look(runs, given, { hub: downloadHooks(output) });
    output.result({ output: page, data, ...analysis }, `${slopes(analysis)}\n\nFigures in ${page}, numbers in ${data}`);
  },
});

/** A row a run and kind of layer, and one for each phase that does not compare. */
function slopes({ axis, runs }: Analysis): string {
  const rows = runs.flatMap((run) =>
    linesOf(run).map(({ layers, phase, fit: { slope, correlation, points, note } }) => {
      const numbers = [slope, correlation].map((value) => (value === null ? "–" : formatNumber(value)));
      return [run.name, run.method, layers, phase ?? "–", ...numbers, points, note ?? ""];
    }),
  );
  const table = formatTable(["run", "method", "layers", "phase", "slope", "correlation", "points", ""], rows);
  return [`Slope of ΔM over ΔD, magnitudes along ${axis}`, table, ...phaseNotes(runs)].join("\n");
}

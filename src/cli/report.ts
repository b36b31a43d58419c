import { UsageError } from "../common/errors.js";
import { reportOptions } from "../config/index.js";
import { reportPath, writeReport } from "../run/writeReport.js";
import { defineCommand } from "./command.js";

export const report = defineCommand({
  usage: "report RUN… [--output FILE] [--overwrite]",
  about: "One self-contained HTML file of one run, or of several side by side. A run is its output folder.",
  options: reportOptions,
  positionals: Number.POSITIVE_INFINITY,
  leavesFiles: true,
  run: async ({ settings, positionals: runs, output }) => {
    if (runs.length === 0) throw new UsageError("The run is missing: give the output folder of at least one run.");
    const path = reportPath(runs, settings);
    await writeReport(path, runs);
    output.result({ output: path }, `Report in ${path}`);
  },
});

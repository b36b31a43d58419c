import { reportOptions } from "../config/index.js";
import { reportPath, writeReport } from "../run/writeReport.js";
import { defineCommand } from "./command.js";

export const report = defineCommand({
  usage: "report RUN… | COMPARISON [--output FILE] [--overwrite]",
  about:
    "One self-contained HTML file of one run, of several side by side, or of a comparison. Each is named by its output folder.",
  options: reportOptions,
  positionals: Number.POSITIVE_INFINITY,
  leavesFiles: true,
  run: async ({ settings, positionals: runs, output }) => {
    const path = reportPath(runs, settings);
    await writeReport(path, runs);
    output.result({ output: path }, `Report in ${path}`);
  },
});

import { join } from "node:path";
import { reportOptions } from "../config.js";
import { UsageError } from "../errors.js";
import { writeReport } from "../writeReport.js";
import { defineCommand } from "./command.js";

export const report = defineCommand({
  usage: "report RUN… [--output FILE]",
  about: "One self-contained HTML file of one run, or of several side by side. A run is its output folder.",
  options: reportOptions,
  positionals: Number.POSITIVE_INFINITY,
  leavesFiles: true,
  run: async ({ settings, positionals: runs, output }) => {
    const [first] = runs;
    if (first === undefined) throw new UsageError("The run is missing: give the output folder of at least one run.");
    const path = settings.output ?? (runs.length === 1 ? join(first, "report.html") : "report.html");
    await writeReport(path, runs);
    output.result({ output: path }, `Report in ${path}`);
  },
});

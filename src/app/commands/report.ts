/** `bidora report`: writes runs or a comparison as one HTML file. */

import { type Given, group, text, texts } from "../../base/settings/index.js";
import { reportPath, writeReport } from "../../studies/report/index.js";
import { overwrite, session } from "../../tasks/config/index.js";
import { call, defineCommand } from "./command.js";

const runs = group("Runs");
const output = group("Output");

/** The runs that a command reads. */
export const runFoldersOption = {
  runs: runs(texts("RUN"), "output folders of runs, or of a comparison", { positional: true }),
};

const options = {
  ...runFoldersOption,
  output: output(text("FILE"), "HTML file to write", {
    defaultText: "report.html in the run's or comparison's folder",
  }),
  ...overwrite,
  ...session,
};

/** What `report` takes: runs, and the flags of `bidora report`, in camelCase. */
export type ReportSettings = Given<typeof options>;

export const reportCommand = defineCommand({
  usage: "report RUN… | COMPARISON [--output FILE] [--overwrite]",
  about:
    "Writes one self-contained HTML file about one run, several runs side by side, or a comparison. Each is named by its output folder.",
  options,
  hooks: [],
  leavesFiles: true,
  async run(settings) {
    const { runs = [] } = settings;
    const path = reportPath(runs, settings);
    await writeReport(path, runs);
    return { path };
  },
  show: ({ path }) => ({ value: { output: path }, text: `Report in ${path}` }),
});

/**
 * Writes one self-contained HTML file about one run, several runs side by side, or a comparison.
 * @returns the file
 * @throws UsageError without a run and for a comparison together with other folders; BidoraError `RUN_LOG` for a folder without a
 *   complete log and `COMPARISON` for a comparison that can't be read. Nothing is written then.
 */
export const report = (settings: ReportSettings): Promise<{ readonly path: string }> =>
  call("report", reportCommand, settings, {});

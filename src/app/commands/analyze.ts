/** `bidora analyze`: measures how a run changes the weights. */

import { UsageError } from "../../base/index.js";
import type { Analysis } from "../../base/records/index.js";
import {
  choice,
  type Given,
  group,
  modules,
  refuseWithoutEffect,
  type Settings,
  text,
} from "../../base/settings/index.js";
import { MAGNITUDE_AXES, type MagnitudeAxis } from "../../models/adapters/index.js";
import {
  type AnalyzedFolder,
  adapterTrajectory,
  analyzedRuns,
  BaseCheck,
  describeRun,
  isOfOneTask,
  type ModelTrajectoryOptions,
  methodSlopes,
  modelTrajectory,
  type RunFolder,
  type RunTrajectory,
  runFolders,
  SkippedRuns,
} from "../../studies/analysis/index.js";
import {
  analysisFiles,
  linesOf,
  methodTable,
  numberText,
  phaseNotes,
  writeAnalysis,
} from "../../studies/report/index.js";
import { overwrite, runOptions, session } from "../../tasks/config/index.js";
import { chosenTask } from "../../tasks/datasets/index.js";
import { setThreads } from "../../torch/index.js";
import { type Context, call, defineCommand, formatTable, type Hooks } from "./command.js";
import { runFoldersOption } from "./report.js";

const analysis = group("Analysis");
const output = group("Output");

const options = {
  ...runFoldersOption,
  model: {
    ...runOptions.model,
    group: "Analysis",
    help: "the pretrained model: a local folder, a GGUF file or a Hub repository",
    defaultText: "the one that the run names",
  },
  revision: { ...runOptions.revision, group: "Analysis" },
  axis: analysis(
    choice(MAGNITUDE_AXES),
    "whose magnitudes to measure: those of a weight's output rows (out) or of its input columns (in)",
    { defaultText: "that of the runs' magnitudes, else out" },
  ),
  targetModules: analysis(
    modules,
    "layers of a run with --method full to analyze: names such as query,value, a pattern, or all-linear",
    {
      placeholder: "M",
      defaultText: "by model",
      appliesWhen: {
        only: "for runs with --method full",
        holds: ({ hasFull }: { readonly hasFull?: boolean }) => hasFull !== false,
      },
    },
  ),
  threads: { ...runOptions.threads, group: "Analysis" },
  output: output(text("DIR"), "folder for analysis.html and analysis.json", {
    defaultText: "the run's, or the comparison's; of several the current one",
  }),
  overwrite: {
    ...overwrite.overwrite,
    help: "replace analysis.html and analysis.json even if bidora did not write them",
  },
  ...session,
};

/** What `analyze` takes: runs, and the flags of `bidora analyze`, in camelCase. */
export type AnalyzeSettings = Given<typeof options>;

/** An analysis, and the files that it was written to. */
export interface AnalyzeResult {
  readonly analysis: Analysis;
  readonly page: string;
  readonly data: string;
}

export const analyzeCommand = defineCommand({
  usage: "analyze RUN… [--axis out|in] [--output DIR] [--overwrite]",
  about:
    "Measures how far the magnitudes and the directions of the weights moved in runs (DoRA, section 3.2), with regression lines, in analysis.html and analysis.json. A run is named by its output folder; so is a comparison.",
  options,
  hooks: ["onNote", "onDownload", "hub", "task"],
  leavesFiles: true,
  async run(settings, context): Promise<AnalyzeResult> {
    const { runs = [] } = settings;
    if (runs.length === 0) throw new UsageError("The run is missing: give the output folder of at least one run.");
    if (settings.threads !== undefined) setThreads(settings.threads);
    const files = analysisFiles(runs, settings);
    const analysis = await analysisOf(runs, settings, context);
    await writeAnalysis(files, analysis);
    return { analysis, ...files };
  },
  show: ({ analysis, page, data }) => ({
    value: { output: page, data, ...analysis },
    text: `${slopes(analysis)}\n\nFigures in ${page}, numbers in ${data}`,
  }),
});

/**
 * Measures how runs change the magnitudes and directions of weights (DoRA, arXiv 2402.09353, section 3.2): ΔM and ΔD of every adapted
 * layer at every saved step, with regression lines. Writes a page with figures, and the numbers as JSON.
 * @throws BidoraError `ANALYSIS` for a folder with nothing to analyze, and for a run whose method does not change weights;
 *   `MODEL_CHANGED`, `OUTPUT_IN_USE`; UsageError for a setting without effect
 */
export const analyze = (
  settings: AnalyzeSettings,
  hooks: Pick<Hooks, "onNote" | "onDownload" | "hub" | "task"> = {},
): Promise<AnalyzeResult> => call("analyze", analyzeCommand, settings, hooks);

/** The slopes by method, if there is a comparison, and those of each run and kind of layer. */
function slopes(analysis: Analysis): string {
  const { axis, runs } = analysis;
  const rows = runs.flatMap((run) =>
    linesOf(run).map(({ layers, phase, fit: { slope, within, across, correlation, points, note } }) => {
      const numbers = [slope, within, across, correlation].map((value) => numberText(value, "–"));
      return [run.name, run.method, layers, phase ?? "–", ...numbers, points, note ?? ""];
    }),
  );
  const numbers = ["slope", "within layers", "across layers", "correlation"];
  const table = formatTable(["run", "method", "layers", "phase", ...numbers, "points", ""], rows);
  return [`Slope of ΔM over ΔD, magnitudes along ${axis}`, table, ...byMethod(analysis), ...phaseNotes(runs)].join(
    "\n",
  );
}

function byMethod(analysis: Analysis): string[] {
  const found = methodTable(analysis, "–");
  if (found === undefined) return [];
  const head = found.head.map((name) => name.toLowerCase());
  return ["", found.title, formatTable(head, found.rows), ...found.notes];
}

async function analysisOf(
  given: readonly string[],
  settings: Settings<typeof options>,
  context: Context,
): Promise<Analysis> {
  const unfit = new SkippedRuns();
  const described = await describe(runFolders(given), unfit);
  refuseWithoutEffect(options, settings, { hasFull: described.some(({ adapter }) => !adapter) });
  const { axis, axisFrom } = axisOf(settings.axis, described);
  const { model, revision, targetModules } = settings;
  const task = chosenTask(undefined, context.task);
  const how = { ...context, axis, model, revision, targetModules, task, base: new BaseCheck() };
  const trajectories = await trajectoriesOf(described, how, unfit);
  const folders = unfit.refuseNone(described.filter((folder) => trajectories.has(folder)));
  const runs = analyzedRuns(
    folders,
    folders.map((folder) => trajectories.get(folder)!),
  );
  const { methods, notes: unlike } = methodSlopes(folders, runs);
  const notes = [...unfit.notes, ...unlike];
  for (const note of notes) context.onNote?.(note);
  return { axis, axisFrom, runs, methods, notes };
}

async function describe(runs: readonly RunFolder[], unfit: SkippedRuns): Promise<AnalyzedFolder[]> {
  const folders: AnalyzedFolder[] = [];
  for (const run of runs) {
    const folder = await unfit.orElse(run, () => describeRun(run));
    if (folder) folders.push(folder);
  }
  return unfit.refuseNone(folders);
}

/** The axis for all runs, so that they can be compared. @throws UsageError if the runs' axes differ and none is given */
function axisOf(
  asked: MagnitudeAxis | undefined,
  folders: readonly AnalyzedFolder[],
): Pick<Analysis, "axis" | "axisFrom"> {
  if (asked !== undefined) return { axis: asked, axisFrom: "asked" };
  const own = [...new Set(folders.flatMap(({ axis }) => axis ?? []))];
  if (own.length > 1)
    throw new UsageError(
      "The runs have magnitudes along different axes: say by --axis out or --axis in which to take.",
    );
  const [axis] = own;
  return axis === undefined ? { axis: "out", axisFrom: "default" } : { axis, axisFrom: "runs" };
}

/** Full models come last: by default they are analyzed at the layers that the other runs' adapters have. */
async function trajectoriesOf(
  folders: readonly AnalyzedFolder[],
  options: ModelTrajectoryOptions,
  unfit: SkippedRuns,
): Promise<Map<AnalyzedFolder, RunTrajectory>> {
  const found = new Map<AnalyzedFolder, RunTrajectory>();
  for (const folder of folders) {
    const { adapter } = folder;
    const trajectory =
      adapter && (await unfit.orElse(folder, () => adapterTrajectory({ ...folder, adapter }, options)));
    if (trajectory) found.set(folder, trajectory);
  }
  for (const folder of folders) {
    if (folder.adapter) continue;
    const beside = [...found].filter(([other]) => other.adapter && isOfOneTask(other, folder));
    const layers = [...new Set(beside.flatMap(([, trajectory]) => trajectory.layers.map(({ path }) => path)))];
    const targetModules = options.targetModules ?? (layers.length > 0 ? layers : undefined);
    found.set(folder, await modelTrajectory(folder, { ...options, targetModules }));
  }
  return found;
}

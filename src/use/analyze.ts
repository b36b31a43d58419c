import type { MagnitudeAxis } from "../adapters/index.js";
import { BidoraError, UsageError } from "../common/errors.js";
import { type AnalyzeSettings, analyzeOptions, resolveSettings, type Settings } from "../config/index.js";
import type { Analysis } from "../report/analysis.js";
import { askedTask } from "../tasks/index.js";
import { setThreads } from "../torch/index.js";
import { adapterCourse } from "./analysis/adapterCourse.js";
import { type AnalyzedFolder, describeRun } from "./analysis/analyzedFolder.js";
import { analyzedRuns, isOfOneTask } from "./analysis/analyzedRuns.js";
import type { RunCourse } from "./analysis/course.js";
import { type ModelCourseOptions, modelCourse } from "./analysis/modelCourse.js";
import { type RunFolder, runFolders } from "./analysis/runFolders.js";
import type { InferenceHooks } from "./openForUse.js";

/** An analysis, and the files that it was written to. */
export interface AnalyzeResult {
  readonly analysis: Analysis;
  readonly page: string;
  readonly data: string;
}

/**
 * How the weights moved in runs, magnitude and direction apart (DoRA, arXiv 2402.09353, section 3.2): ΔM and ΔD of every adapted
 * layer at every saved step, with regression lines; a page with figures, and the numbers as JSON.
 * @param runs output folders of runs, or a comparison's
 * @throws BidoraError `ANALYSIS` for a folder with nothing to analyse, and for a run whose method leaves weights as they are;
 *   `OUTPUT_IN_USE`; UsageError for a setting without effect
 */
export async function analyze(
  runs: readonly string[],
  given: AnalyzeSettings = {},
  hooks: Omit<InferenceHooks, "signal"> = {},
): Promise<AnalyzeResult> {
  const settings = resolveSettings(analyzeOptions, given);
  if (runs.length === 0) throw new UsageError("The run is missing: give the output folder of at least one run.");
  if (settings.threads !== undefined) setThreads(settings.threads);
  const { analysisFiles, writeAnalysis } = await import("./analysis/files.js");
  const files = analysisFiles(runs, settings);
  const analysis = await analysisOf(runs, settings, hooks);
  await writeAnalysis(files, analysis);
  return { analysis, ...files };
}

async function analysisOf(
  given: readonly string[],
  settings: Settings<typeof analyzeOptions>,
  { hub, task: own }: Omit<InferenceHooks, "signal">,
): Promise<Analysis> {
  const { folders, notes } = await describe(runFolders(given));
  if (settings.targetModules !== undefined && folders.every(({ adapter }) => adapter))
    throw new UsageError(
      "No effect: --target-modules is for runs with --method full, and there is none among these; leave it out.",
    );
  const { axis, axisFrom } = axisOf(settings.axis, folders);
  const { model, revision, targetModules } = settings;
  const options = { axis, model, revision, targetModules, hub, task: askedTask(undefined, own) };
  const courses = await coursesOf(folders, options);
  for (const note of notes) hub?.onNote?.(note);
  return { axis, axisFrom, runs: analyzedRuns(folders, courses), notes };
}

/** What is asked for by name must be fit to be analysed; of a comparison what is. */
async function describe(
  runs: readonly RunFolder[],
): Promise<{ readonly folders: readonly AnalyzedFolder[]; readonly notes: readonly string[] }> {
  const folders: AnalyzedFolder[] = [];
  const notes: string[] = [];
  for (const run of runs) {
    try {
      folders.push(await describeRun(run));
    } catch (error) {
      if (!(run.isFound && error instanceof BidoraError && error.code === "ANALYSIS")) throw error;
      notes.push(`Left out: ${error.message}`);
    }
  }
  if (folders.length > 0) return { folders, notes };
  throw new BidoraError("ANALYSIS", `None of the runs can be analyzed. ${notes.join(" ")}`);
}

/** One for all runs, so that they can be compared. @throws UsageError where the runs' own differ, and none is asked for */
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

/** Whole models come last: they are read at the layers that the adapters beside them have, unless others are asked for. */
async function coursesOf(folders: readonly AnalyzedFolder[], options: ModelCourseOptions): Promise<RunCourse[]> {
  const found = new Map<AnalyzedFolder, RunCourse>();
  for (const folder of folders)
    if (folder.adapter) found.set(folder, await adapterCourse({ ...folder, adapter: folder.adapter }, options));
  for (const folder of folders) {
    if (folder.adapter) continue;
    const beside = [...found].filter(([other]) => other.adapter && isOfOneTask(other, folder));
    const layers = [...new Set(beside.flatMap(([, course]) => course.layers.map(({ path }) => path)))];
    const targetModules = options.targetModules ?? (layers.length > 0 ? layers : undefined);
    found.set(folder, await modelCourse(folder, { ...options, targetModules }));
  }
  return folders.map((folder) => found.get(folder) as RunCourse);
}

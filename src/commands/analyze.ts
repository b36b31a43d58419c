import type { MagnitudeAxis } from "../adapters/index.js";
import { adapterCourse } from "../analysis/adapterCourse.js";
import { type AnalyzedFolder, describeRun } from "../analysis/analyzedFolder.js";
import { analyzedRuns, isOfOneTask } from "../analysis/analyzedRuns.js";
import type { RunCourse } from "../analysis/course.js";
import { type ModelCourseOptions, modelCourse } from "../analysis/modelCourse.js";
import { type RunFolder, runFolders } from "../analysis/runFolders.js";
import { SameBase } from "../analysis/sameBase.js";
import { UnfitRuns } from "../analysis/unfitRuns.js";
import { checkArguments, texts } from "../common/arguments.js";
import { UsageError } from "../common/errors.js";
import { type AnalyzeSettings, analyzeOptions, resolveSettings, type Settings } from "../config/index.js";
import { askedTask } from "../datasets/index.js";
import type { Analysis } from "../files/analysis.js";
import { checkHooks, type InferenceHooks } from "../inference/openForUse.js";
import { setThreads } from "../torch/index.js";

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
 *   `MODEL_CHANGED`, `OUTPUT_IN_USE`; UsageError for a setting without effect
 */
export async function analyze(
  runs: readonly string[],
  given: AnalyzeSettings = {},
  hooks: Omit<InferenceHooks, "signal"> = {},
): Promise<AnalyzeResult> {
  checkArguments("analyze", ["runs", runs, texts]);
  checkHooks("analyze", hooks, "hub", "task");
  const settings = resolveSettings(analyzeOptions, given);
  if (runs.length === 0) throw new UsageError("The run is missing: give the output folder of at least one run.");
  if (settings.threads !== undefined) setThreads(settings.threads);
  const { analysisFiles, writeAnalysis } = await import("../analysis/files.js");
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
  const unfit = new UnfitRuns();
  const described = await describe(runFolders(given), unfit);
  if (settings.targetModules !== undefined && described.every(({ adapter }) => adapter))
    throw new UsageError(
      "No effect: --target-modules is for runs with --method full, and there is none among these; leave it out.",
    );
  const { axis, axisFrom } = axisOf(settings.axis, described);
  const { model, revision, targetModules } = settings;
  const options = { axis, model, revision, targetModules, hub, task: askedTask(undefined, own), base: new SameBase() };
  const courses = await coursesOf(described, options, unfit);
  const folders = unfit.refuseNone(described.filter((folder) => courses.has(folder)));
  for (const note of unfit.notes) hub?.onNote?.(note);
  const runs = analyzedRuns(
    folders,
    folders.map((folder) => courses.get(folder)!),
  );
  return { axis, axisFrom, runs, notes: unfit.notes };
}

async function describe(runs: readonly RunFolder[], unfit: UnfitRuns): Promise<AnalyzedFolder[]> {
  const folders: AnalyzedFolder[] = [];
  for (const run of runs) {
    const folder = await unfit.orElse(run, () => describeRun(run));
    if (folder) folders.push(folder);
  }
  return unfit.refuseNone(folders);
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
async function coursesOf(
  folders: readonly AnalyzedFolder[],
  options: ModelCourseOptions,
  unfit: UnfitRuns,
): Promise<Map<AnalyzedFolder, RunCourse>> {
  const found = new Map<AnalyzedFolder, RunCourse>();
  for (const folder of folders) {
    const { adapter } = folder;
    const course = adapter && (await unfit.orElse(folder, () => adapterCourse({ ...folder, adapter }, options)));
    if (course) found.set(folder, course);
  }
  for (const folder of folders) {
    if (folder.adapter) continue;
    const beside = [...found].filter(([other]) => other.adapter && isOfOneTask(other, folder));
    const layers = [...new Set(beside.flatMap(([, course]) => course.layers.map(({ path }) => path)))];
    const targetModules = options.targetModules ?? (layers.length > 0 ? layers : undefined);
    found.set(folder, await modelCourse(folder, { ...options, targetModules }));
  }
  return found;
}

import type { AgainstFull, AnalyzedLayer, AnalyzedRun } from "../files/analysis.js";
import { modulePathOf } from "../report/figures/magnitudes.js";
import { type AnalyzedFolder, isFull } from "./analyzedFolder.js";
import type { RunCourse } from "./course.js";
import { againstFull, fitsOf } from "./fits.js";
import { kindsOf } from "./kinds.js";

/** What runs' courses say, with their lines, and each slope beside that of full fine-tuning where there is some. */
export function analyzedRuns(folders: readonly AnalyzedFolder[], courses: readonly RunCourse[]): AnalyzedRun[] {
  const kinds = kindsOf(courses.flatMap(({ layers }) => layers.map(({ path }) => path)));
  const runs = folders.map((folder, at) => ({ folder, run: analyzedRun(folder, courses[at]!, kinds) }));
  return runs.map((one) => {
    const compared = isFull(one.folder) ? undefined : besideFull(one, runs);
    return { ...one.run, ...(compared && { againstFull: compared }) };
  });
}

interface Described {
  readonly folder: AnalyzedFolder;
  readonly run: AnalyzedRun;
}

function analyzedRun(
  { name, path, method }: AnalyzedFolder,
  { model, layers: found }: RunCourse,
  kinds: ReadonlyMap<string, string>,
): AnalyzedRun {
  const layers = found.map(({ path: module, vectors, steps }): AnalyzedLayer => {
    const { layer } = modulePathOf(module);
    return { path: module, layer, kind: kinds.get(module)!, vectors, steps };
  });
  return { name, path, method, model, layers, fits: fitsOf(layers) };
}

/** Slopes are compared where runs began from one model, are of one task, and by the layers that all of them have. */
function besideFull({ folder, run }: Described, runs: readonly Described[]): AgainstFull | undefined {
  const full = runs.filter(
    (other) => isFull(other.folder) && other.run.model === run.model && isOfOneTask(other.folder, folder),
  );
  const isCommon = ({ path }: AnalyzedLayer) =>
    full.every((other) => other.run.layers.some((layer) => layer.path === path));
  const common = run.layers.filter(isCommon);
  const paths = new Set(common.map(({ path }) => path));
  const linesOf = (layers: readonly AnalyzedLayer[]) => fitsOf(layers.filter(({ path }) => paths.has(path)));
  return againstFull(
    linesOf(run.layers),
    full.map((other) => ({ name: other.run.name, slope: linesOf(other.run.layers).all.slope })),
  );
}

/** In a comparison the same folder's; else by what the runs say that they were trained on, where both do. */
export function isOfOneTask(a: AnalyzedFolder, b: AnalyzedFolder): boolean {
  const keys = ["task", "data", "train"] as const;
  const isSame = keys.every((key) => a.settings[key] === b.settings[key]);
  const isTold = a.settings.task !== undefined && b.settings.task !== undefined;
  return a.group === b.group && (isSame || !isTold);
}

import type { AnalyzedLayer, AnalyzedRun } from "../../report/analysis.js";
import { modulePathOf } from "../../report/modulePath.js";
import { type AnalyzedFolder, isFull } from "./analyzedFolder.js";
import type { RunCourse } from "./course.js";
import { againstFull, fitsOf } from "./fits.js";
import { kindsOf } from "./kinds.js";

/** What runs' courses say, with their lines, and each slope beside that of full fine-tuning where there is some. */
export function analyzedRuns(folders: readonly AnalyzedFolder[], courses: readonly RunCourse[]): AnalyzedRun[] {
  const kinds = kindsOf(courses.flatMap(({ layers }) => layers.map(({ path }) => path)));
  const runs = folders.map((folder, at) => ({ folder, run: analyzedRun(folder, courses[at]!, kinds) }));
  return runs.map((one) => {
    const compared = isFull(one.folder) ? undefined : againstFull(one.run.fits.all, fullBeside(one, runs));
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

/** Slopes are compared where runs began from one model, and, in a comparison, are of one task. */
function fullBeside({ folder, run }: Described, runs: readonly Described[]) {
  const beside = runs.filter(
    (other) => isFull(other.folder) && other.run.model === run.model && other.folder.group === folder.group,
  );
  return beside.map(({ run: { name, fits } }) => ({ name, slope: fits.all.slope }));
}

import {
  type AdaptedModule,
  attachAdapter,
  eject,
  type MagnitudeAxis,
  mergedWeight,
  readAdapter,
  type SavedAdapter,
} from "../adapters/index.js";
import { findModel, openWithAdapter } from "../inference/openModel.js";
import type { HubOptions } from "../io/hub/snapshot.js";
import { storedDtype } from "../models/modelFolder.js";
import { Embedding } from "../nn/index.js";
import type { NamedTask } from "../tasks/index.js";
import * as torch from "../torch/index.js";
import { type AnalyzedFolder, unchanged } from "./analyzedFolder.js";
import { Courses, type RunCourse } from "./course.js";
import type { SameBase } from "./sameBase.js";

/** How a run is read. */
export interface CourseOptions {
  readonly axis: MagnitudeAxis;
  /** In the place of the model that the run names. */
  readonly model: string | undefined;
  readonly revision: string | undefined;
  readonly task: NamedTask | undefined;
  readonly hub: HubOptions | undefined;
  readonly base: SameBase;
}

/** Magnitudes are kept in float32, their norms at the start too. */
const FLOAT32_ROUNDING = 1e-6;
/** Merged weights are computed in float64. */
const FLOAT64_ROUNDING = 1e-13;

/**
 * How the layers of an adapter's run moved. The model is loaded once, the adapters are put into it in turn, and of the merged
 * weights there is one at a time, in float64.
 * @throws BidoraError `ANALYSIS` for an adapter that no weight can stand for, and as `openWithAdapter`
 */
export async function adapterCourse(
  run: AnalyzedFolder & { readonly adapter: SavedAdapter },
  { axis, task, base, ...options }: CourseOptions,
): Promise<RunCourse> {
  const { model, revision, hub } = options;
  const where = { model, revision, adapter: run.states[0].folder, ...(hub && { hub }) };
  const found = await findModel(where);
  await base.check(run, found.folder);
  const dtype = computedWith(found.folder, run);
  const { adapted: first, ...opened } = await openWithAdapter({ ...where, task, dtype }, found);
  const courses = new Courses(axis, run.axis === undefined ? FLOAT64_ROUNDING : FLOAT32_ROUNDING);
  let adapted = first!;
  for (const state of run.states) {
    if (state !== run.states[0]) {
      const saved = await readAdapter(state.folder);
      eject(adapted);
      const trained = dtype === "float64" ? dtype : "float32";
      adapted = attachAdapter(opened.model, saved, { generator: new torch.Generator(0), dtype: trained });
    }
    for (const module of adapted.modules) {
      refuseUnmerged(run, module);
      torch.scope(() => courses.add(module.path, state, weights(module)));
    }
  }
  return { model: opened.folder, layers: courses.layers };
}

/** The dtype that holds the frozen weights as the run had them: it trains beside rounded ones in bfloat16. */
function computedWith(folder: string, { settings }: AnalyzedFolder): torch.DType {
  if (settings.dtype === "bfloat16") return "bfloat16";
  const stored = storedDtype(folder);
  return stored === "float16" ? "float32" : stored;
}

function refuseUnmerged({ path, method }: AnalyzedFolder, { adapter, layer, path: module }: AdaptedModule): void {
  const why = adapter.whyNotMerged(layer);
  if (why !== undefined) throw unchanged(path, method, `and ${module} ${why}`);
}

/** [out, in], which is a table turned round. */
function weights(module: AdaptedModule) {
  const [before, after] = [module.layer.weight.tensor, mergedWeight(module, "float64")];
  const isTable = module.layer instanceof Embedding;
  return isTable ? { before: torch.t(before), after: torch.t(after) } : { before, after };
}

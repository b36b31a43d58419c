import { findAdapterMetadata, findTargets, TARGET_DEFAULTS, type TargetModules } from "../adapters/index.js";
import { UsageError } from "../common/errors.js";
import { type Checkpoint, openCheckpoint, readConfig } from "../io/checkpoint.js";
import { resolveModel } from "../io/resolveModel.js";
import { type Architecture, architectureOf, buildModel, WeightSource } from "../models/index.js";
import { Embedding, type Linear, Parameter } from "../nn/index.js";
import { usedHead } from "../tasks/index.js";
import * as torch from "../torch/index.js";
import type { CourseOptions } from "./adapterCourse.js";
import type { AnalyzedFolder } from "./analyzedFolder.js";
import { Courses, type RunCourse } from "./course.js";

/** How such a run is read. */
export interface ModelCourseOptions extends CourseOptions {
  /** By default those that LoRA would take. */
  readonly targetModules: TargetModules | undefined;
}

/** Saved models have their weights in float32, which is exact unless the pretrained ones are in float64. */
const ROUNDING = { float64: 1e-6, others: 1e-13 };

/**
 * How layers moved whose weights were trained whole: those that LoRA would take, or that `targetModules` names, as far as the
 * pretrained model has them. No model is loaded: two weights are read at a time.
 * @throws UsageError where nothing says what was fine-tuned; BidoraError `TARGET`, `WEIGHTS`
 */
export async function modelCourse(run: AnalyzedFolder, options: ModelCourseOptions): Promise<RunCourse> {
  const model = await pretrainedOf(run, options);
  await options.base.check(run, model);
  const config = readConfig(run.states[0].folder);
  const architecture = architectureOf(config);
  const pretrained = openCheckpoint(model);
  try {
    const source = new WeightSource(pretrained, architecture);
    const targets = [...targetsOf(run, architecture, options)].filter(([path]) => source.has(`${path}.weight`));
    const courses = new Courses(options.axis, roundingOf(pretrained));
    for (const state of run.states) {
      const trained = openCheckpoint(state.folder);
      try {
        const saved = new WeightSource(trained, architecture);
        for (const [path, layer] of targets) {
          const [before, after] = [readWeight(source, path, layer), readWeight(saved, path, layer)];
          torch.scope(() => courses.add(path, state, { before: matrix(before, layer), after: matrix(after, layer) }));
          before.dispose();
          after.dispose();
        }
      } finally {
        trained.close();
      }
    }
    return { model, layers: courses.layers };
  } finally {
    pretrained.close();
  }
}

/** The folder of what was fine-tuned: `--model`, else what the run's settings say. */
async function pretrainedOf(run: AnalyzedFolder, { model, revision, hub }: CourseOptions): Promise<string> {
  const name = model ?? run.settings.model;
  if (name === undefined)
    throw new UsageError(
      `--model is missing, and ${run.path} does not say which model was fine-tuned: it has no run.yaml.`,
    );
  const wanted = revision ?? (model === undefined ? run.settings.revision : undefined);
  return resolveModel(name, { ...hub, ...(wanted === undefined ? {} : { revision: wanted }) });
}

/** By path, in the model's order. */
function targetsOf(
  { states: [{ folder }] }: AnalyzedFolder,
  architecture: Architecture,
  { task, targetModules }: ModelCourseOptions,
): Map<string, Linear | Embedding> {
  const config = readConfig(folder);
  const used = usedHead(architecture, config, { adapter: undefined, metadata: findAdapterMetadata(folder) }, task);
  const model = buildModel(architecture, config, used.task.head, used.labels.length);
  return findTargets(model, {
    ...TARGET_DEFAULTS,
    targetModules: targetModules ?? architecture.defaultTargetModules,
    modulesToSave: [model.outputModule],
    method: "full",
  });
}

/** Whether rounding to float32 has to be allowed for. */
function roundingOf({ names, info }: Checkpoint): number {
  return names.some((name) => info(name).dtype === "F64") ? ROUNDING.float64 : ROUNDING.others;
}

/** In float64; it outlives every scope. */
function readWeight(source: WeightSource, path: string, { weight }: Linear | Embedding): torch.Tensor {
  const read = new Parameter(weight.shape, weight.isStoredTransposed);
  source.fill(`${path}.weight`, read, "float64");
  return read.tensor;
}

/** [out, in], which is a table turned round. */
const matrix = (weight: torch.Tensor, layer: Linear | Embedding): torch.Tensor =>
  layer instanceof Embedding ? torch.t(weight) : weight;

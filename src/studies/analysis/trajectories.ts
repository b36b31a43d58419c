// How the weights of each layer moved from step to step of a run, for adapters and for fully fine-tuned models.
import { existsSync } from "node:fs";
import { join } from "node:path";
import { BidoraError, UsageError } from "../../base/index.js";
import {
  type AnalyzedStep,
  checksumsOf,
  isJsonObject,
  readJsonObject,
  STATE,
  sha256,
} from "../../base/records/index.js";
import type { HubContext } from "../../formats/hub/index.js";
import { type Checkpoint, modelFolder, openCheckpoint, readConfig, weightFileNames } from "../../formats/index.js";
import {
  type AdaptedModule,
  attachAdapter,
  eject,
  findAdapterMetadata,
  findTargets,
  type MagnitudeAxis,
  mergedWeight,
  readAdapter,
  type SavedAdapter,
  TARGET_DEFAULTS,
  type TargetModules,
  weightChange,
} from "../../models/adapters/index.js";
import {
  type Architecture,
  architectureOf,
  buildModel,
  type LoadModelOptions,
  storedDtype,
  type TaskModel,
  WeightSource,
} from "../../models/index.js";
import { Embedding, type Linear, Parameter } from "../../models/nn/index.js";
import { type NamedTask, resolveHead } from "../../tasks/index.js";
import type { Tensor } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { findModel, open } from "../../use/inference/index.js";
import { type AnalyzedFolder, type SavedStep, unchanged } from "./analyzedRuns.js";

interface LayerTrajectory {
  readonly path: string;
  readonly vectors: number;
  readonly steps: AnalyzedStep[];
}

export interface RunTrajectory {
  readonly model: string;
  readonly layers: readonly LayerTrajectory[];
}

/** A layer's weight at the start and at a saved step, both [out, in], or an embedding's table [in, out]. */
interface WeightPair {
  readonly before: Tensor;
  readonly after: Tensor;
}

/** Collects the changes of layers, one weight at a time. */
class Trajectories {
  readonly #layers = new Map<string, LayerTrajectory>();

  /** @param rounding as in `weightChange` */
  constructor(
    readonly axis: MagnitudeAxis,
    readonly rounding: number,
  ) {}

  get layers(): readonly LayerTrajectory[] {
    return [...this.#layers.values()];
  }

  /** @throws BidoraError `NOT_FINITE` */
  add(path: string, layer: object, { folder, step, phase }: SavedStep, pair: WeightPair): void {
    const isTable = layer instanceof Embedding;
    const [before, after] = isTable ? [torch.t(pair.before), torch.t(pair.after)] : [pair.before, pair.after];
    const change = weightChange(before, after, this.axis, this.rounding);
    if (!Number.isFinite(change.deltaM) || !Number.isFinite(change.deltaD)) {
      throw new BidoraError(
        "NOT_FINITE",
        `The weight of ${path} in ${folder}, or the pretrained one, has values that are not finite.`,
      );
    }
    const vectors = before.shape[this.axis === "out" ? 0 : 1]!;
    const trajectory = this.#layers.get(path) ?? { path, vectors, steps: [] };
    this.#layers.set(path, trajectory);
    trajectory.steps.push({ step, phase, ...change });
  }
}

interface TrajectoryOptions extends HubContext {
  readonly axis: MagnitudeAxis;
  /** Used instead of the model that the run names. */
  readonly model: string | undefined;
  readonly revision: string | undefined;
  readonly task: NamedTask | undefined;
  readonly base: BaseCheck;
}

/** Magnitudes are kept in float32, their norms at the start too. */
const FLOAT32_ROUNDING = 1e-6;
/** Merged weights are computed in float64. */
const FLOAT64_ROUNDING = 1e-13;

/**
 * How the layers of an adapter's run moved. The model is loaded once, and the saved adapters are attached one after the other. Only one
 * merged weight exists at a time, in float64.
 * @throws BidoraError `ANALYSIS` for an adapter that can't be merged, and as `open`
 */
export async function adapterTrajectory(
  run: AnalyzedFolder & { readonly adapter: SavedAdapter },
  { axis, task, base, ...options }: TrajectoryOptions,
): Promise<RunTrajectory> {
  const { model, revision } = options;
  const found = await findModel({ model, revision, adapter: run.adapter }, options);
  await base.check(run, found.folder);
  const held = computedWith(found.folder, run);
  const { adapted: first, ...opened } = await open(found, { task, ...held });
  const trajectories = new Trajectories(axis, run.axis === undefined ? FLOAT64_ROUNDING : FLOAT32_ROUNDING);
  let adapted = first!;
  for (const state of run.states) {
    if (state !== run.states[0]) {
      const saved = await readAdapter(state.folder);
      eject(adapted);
      const trained = held.dtype === "float64" ? held.dtype : "float32";
      adapted = attachAdapter(opened.model, saved, { generator: new torch.Generator(0), dtype: trained });
    }
    for (const module of adapted.modules) {
      refuseUnmerged(run, module);
      torch.scope(() => {
        const pair = { before: module.layer.weight.values.dense(), after: mergedWeight(module, "float64") };
        trajectories.add(module.path, module.layer, state, pair);
      });
    }
  }
  return { model: opened.folder, layers: trajectories.layers };
}

/** How the run had the frozen weights: with bfloat16 or float16, and in quantized blocks, whose values have its dtype, it trained on rounded ones. */
function computedWith(folder: string, { settings }: AnalyzedFolder): Pick<LoadModelOptions, "dtype" | "baseDtype"> {
  const { baseDtype, dtype } = settings;
  if (dtype === "bfloat16" || dtype === "float16") return { dtype, baseDtype };
  const stored = storedDtype(folder);
  return { dtype: stored === "float16" || baseDtype !== undefined ? "float32" : stored, baseDtype };
}

function refuseUnmerged({ path, method }: AnalyzedFolder, { adapter, layer, path: module }: AdaptedModule): void {
  const why = adapter.whyNotMerged(layer);
  if (why !== undefined) throw unchanged(path, method, `and ${module} ${why}`);
}

export interface ModelTrajectoryOptions extends TrajectoryOptions {
  /** By default the layers that LoRA would adapt. */
  readonly targetModules: TargetModules | undefined;
}

/** Models are saved in float32, which is exact unless the pretrained weights are in float64. */
const ROUNDING = { float64: 1e-6, others: 1e-13 };

/**
 * How the layers of a fully fine-tuned model moved: those that LoRA would adapt, or that `targetModules` names, if the pretrained model
 * has them. No model is loaded: weights are read two at a time.
 * @throws UsageError if the pretrained model is unknown; BidoraError `TARGET`, `WEIGHTS`
 */
export async function modelTrajectory(run: AnalyzedFolder, options: ModelTrajectoryOptions): Promise<RunTrajectory> {
  const model = await pretrainedOf(run, options);
  await options.base.check(run, model);
  const config = readConfig(run.states[0].folder);
  const architecture = architectureOf(config);
  const pretrained = openCheckpoint(model);
  try {
    const { model: trainedModel, found } = targetsOf(run, architecture, options);
    const sourceOf = (checkpoint: Checkpoint) =>
      new WeightSource(checkpoint, architecture, undefined, trainedModel.prefix);
    const source = sourceOf(pretrained);
    const targets = [...found].filter(([path]) => source.has(`${path}.weight`));
    const trajectories = new Trajectories(options.axis, roundingOf(pretrained));
    for (const state of run.states) {
      const trained = openCheckpoint(state.folder);
      try {
        const saved = sourceOf(trained);
        for (const [path, layer] of targets) {
          const [before, after] = [readWeight(source, path, layer), readWeight(saved, path, layer)];
          torch.scope(() => trajectories.add(path, layer, state, { before, after }));
          before.dispose();
          after.dispose();
        }
      } finally {
        trained.close();
      }
    }
    return { model, layers: trajectories.layers };
  } finally {
    pretrained.close();
  }
}

/** The folder of the pretrained model: `--model`, else the one in the run's settings. */
async function pretrainedOf(run: AnalyzedFolder, options: TrajectoryOptions): Promise<string> {
  const { model, revision } = options;
  const name = model ?? run.settings.model;
  if (name === undefined)
    throw new UsageError(
      `--model is missing, and ${run.path} does not say which model was fine-tuned: it has no run.yaml.`,
    );
  return modelFolder(name, options, revision ?? (model === undefined ? run.settings.revision : undefined));
}

/** The model, and its layers by path, in the model's order. */
function targetsOf(
  { states: [{ folder }] }: AnalyzedFolder,
  architecture: Architecture,
  { task, targetModules }: ModelTrajectoryOptions,
): { readonly model: TaskModel; readonly found: Map<string, Linear | Embedding> } {
  const config = readConfig(folder);
  const used = resolveHead(architecture, config, { adapter: undefined, metadata: findAdapterMetadata(folder) }, task);
  const model = buildModel(architecture, config, used.task.head, used.labels.length);
  const found = findTargets(model, {
    ...TARGET_DEFAULTS,
    targetModules: targetModules ?? architecture.defaultTargetModules,
    modulesToSave: model.outputModule === "" ? [] : [model.outputModule],
    method: "full",
  });
  return { model, found };
}

/** The relative rounding error of the saved weights. */
function roundingOf({ names, info }: Checkpoint): number {
  return names.some((name) => info(name).dtype === "F64") ? ROUNDING.float64 : ROUNDING.others;
}

/** A weight in float64. The caller disposes of it. */
function readWeight(source: WeightSource, path: string, { weight }: Linear | Embedding): torch.Tensor {
  const read = new Parameter(weight.shape, weight.isStoredTransposed);
  source.fill(`${path}.weight`, read, "float64");
  return read.tensor;
}

/** Checks that runs are compared with the weights they started from. The files of each model are read once. */
export class BaseCheck {
  readonly #digests = new Map<string, Promise<string>>();

  /**
   * @param model the folder of the supposed base model
   * @throws BidoraError `MODEL_CHANGED` if the run's checkpoints say that it started from other weights
   */
  async check({ path, states }: Pick<AnalyzedFolder, "path" | "states">, model: string): Promise<void> {
    const then = states.flatMap(({ folder }) => weightsOf(folder) ?? [])[0];
    if (then === undefined || (await this.#digestOf(model)) === then) return;
    throw new BidoraError(
      "MODEL_CHANGED",
      `${path} did not start from the weights that are now in ${model}, so it is unknown how far they moved: give the right base with --model.`,
    );
  }

  #digestOf(model: string): Promise<string> {
    const found = this.#digests.get(model) ?? checksumsOf(model, weightFileNames(model)).then(sha256);
    this.#digests.set(model, found);
    return found;
  }
}

/** The digest of the base's weights in a checkpoint; undefined if another program saved it. */
function weightsOf(folder: string): string | undefined {
  const file = join(folder, STATE);
  const { madeFrom } = existsSync(file) ? readJsonObject(file) : {};
  return isJsonObject(madeFrom) && typeof madeFrom.weights === "string" ? madeFrom.weights : undefined;
}

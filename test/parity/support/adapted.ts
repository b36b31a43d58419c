import { join } from "node:path";
import {
  type AdaptedModel,
  type DoraConfig,
  doraConfig,
  inject,
  type LowRankConfig,
  loraConfig,
  type MagnitudeAxis,
  type NormGradient,
} from "../../../src/adapters/index.js";
import { openCheckpoint } from "../../../src/io/checkpoint.js";
import { inferHead, loadModel, type TaskModel } from "../../../src/models/index.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN, readJson, readTensors } from "../goldenFiles.js";
import { withoutPrefix } from "./cases.js";

// Models so small are done sooner than threads have woken up.
torch.setThreads(1);

export interface Adapted {
  readonly model: TaskModel;
  readonly adapted: AdaptedModel;
}

export interface AdaptedOptions {
  readonly dtype?: torch.DType;
  readonly axis?: MagnitudeAxis;
  readonly normGradient?: NormGradient;
  /** Put over the adapter's own tensors, by name without `base_model.model.`. */
  readonly start?: ReadonlyMap<string, torch.Tensor>;
}

/** A golden checkpoint's model. */
export async function openModel(
  family: string,
  checkpoint: string,
  dtype: torch.DType = "float32",
): Promise<TaskModel> {
  const opened = openCheckpoint(join(GOLDEN, family, checkpoint));
  try {
    const head = inferHead(opened.config);
    if (!head) throw new Error(`${checkpoint} has no head`);
    return (await loadModel(opened, { head, dtype, generator: new torch.Generator(0) })).model;
  } finally {
    opened.close();
  }
}

/** A golden checkpoint's model with a golden adapter in it. */
export async function openAdapted(
  family: string,
  { checkpoint, adapter }: { readonly checkpoint: string; readonly adapter: string },
  { dtype = "float32", axis = "out", normGradient = "detached", start = new Map() }: AdaptedOptions = {},
): Promise<Adapted> {
  const model = await openModel(family, checkpoint, dtype);
  const folder = join(GOLDEN, family, adapter);
  const saved = withoutPrefix(readTensors(join(folder, "adapter_model.safetensors")));
  const config = readConfig(folder, { axis, normGradient });
  const options = { generator: new torch.Generator(0), dtype, saved: new Map([...saved, ...start]) };
  return { model, adapted: inject(model, config, options) };
}

interface SavedConfig {
  readonly r: number;
  readonly lora_alpha: number;
  readonly use_rslora: boolean;
  readonly lora_dropout: number;
  readonly target_modules: string[] | string;
  readonly exclude_modules: string[] | null;
  readonly layers_to_transform: number[] | null;
  readonly layers_pattern: string | null;
  readonly rank_pattern: Record<string, number>;
  readonly alpha_pattern: Record<string, number>;
  readonly bias: LowRankConfig["bias"];
  readonly lora_bias: boolean;
  readonly modules_to_save: string[] | null;
  readonly use_dora: boolean;
}

function readConfig(folder: string, dora: Pick<DoraConfig, "axis" | "normGradient">) {
  const saved = readJson<SavedConfig>(join(folder, "adapter_config.json"));
  const common: LowRankConfig = {
    rank: saved.r,
    alpha: saved.lora_alpha,
    rslora: saved.use_rslora,
    dropout: saved.lora_dropout,
    targetModules: saved.target_modules,
    excludeModules: saved.exclude_modules ?? undefined,
    layersToTransform: saved.layers_to_transform ?? undefined,
    layersPattern: saved.layers_pattern ? [saved.layers_pattern] : undefined,
    rankPattern: saved.rank_pattern,
    alphaPattern: saved.alpha_pattern,
    bias: saved.bias,
    loraBias: saved.lora_bias,
    modulesToSave: saved.modules_to_save ?? [],
  };
  return saved.use_dora ? doraConfig({ ...common, ...dora }) : loraConfig(common);
}

/** Copies of the trained tensors by name. */
export function trainedTensors({ trained }: AdaptedModel): Map<string, torch.Tensor> {
  return torch.noGrad(() => new Map(trained.map(({ name, tensor }) => [name, torch.clone(tensor)])));
}

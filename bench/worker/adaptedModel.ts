import { resolveModel } from "../../src/formats/resolveModel.js";
import {
  ADAPTER_METHODS,
  type AdaptedModel,
  type AdapterConfig,
  type AdapterMethod,
  doraConfig,
  inject,
  type LowRankConfig,
} from "../../src/models/adapters/index.js";
import { type LoadedModel, loadModel } from "../../src/models/index.js";
import { TASKS } from "../../src/tasks/index.js";
import * as torch from "../../src/torch/index.js";
import type { OwnSpec, Targets } from "../turns/protocol.js";

export const TARGET_MODULES: Readonly<Record<Targets, readonly string[] | "all-linear">> = {
  "query-value": ["query", "value"],
  "all-linear": "all-linear",
};

export interface AdaptedTaskModel extends LoadedModel {
  readonly adapted: AdaptedModel;
  readonly generator: torch.Generator;
}

export const labelsOf = ({ labels }: OwnSpec): string[] => Array.from({ length: labels }, (_, i) => `LABEL_${i}`);

/** The model with its adapter, as `finetune` sets it up, with alpha twice the rank. */
export async function adaptedModel(spec: OwnSpec): Promise<AdaptedTaskModel> {
  const generator = new torch.Generator(0);
  const loaded = await loadModel(await resolveModel(spec.model), {
    head: TASKS[spec.kind].head,
    outputs: spec.labels,
    dtype: spec.precision,
    baseDtype: spec.baseDtype,
    ...(spec.device !== undefined && { device: spec.device }),
    generator,
  });
  const shared = {
    rank: spec.rank,
    alpha: 2 * spec.rank,
    targetModules: TARGET_MODULES[spec.targets],
    modulesToSave: loaded.trainedModules,
  };
  return { ...loaded, generator, adapted: inject(loaded.model, configOf(spec.method, shared), { generator }) };
}

function configOf(method: OwnSpec["method"], shared: Partial<LowRankConfig>): AdapterConfig {
  if (method === "bidora") return doraConfig({ ...shared, normGradient: "full" });
  const { alpha: _, ...withoutAlpha } = shared;
  const isScaled = method === "lora" || method === "dora" || method === "adalora";
  return (ADAPTER_METHODS[method] as AdapterMethod).config(isScaled ? shared : withoutAlpha);
}

import { resolveModel } from "../../src/formats/resolveModel.js";
import {
  ADAPTER_METHODS,
  type AdaptedModel,
  type AdapterConfig,
  type AdapterMethod,
  type DoraConfig,
  doraConfig,
  inject,
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
  const normGradient = spec.method === "bidora" ? "full" : "detached";
  const config = configOf(spec.method, { ...shared, normGradient });
  return { ...loaded, generator, adapted: inject(loaded.model, config, { generator }) };
}

/** @param settings of all methods */
function configOf(method: OwnSpec["method"], { normGradient, ...settings }: Partial<DoraConfig>): AdapterConfig {
  if (method === "dora" || method === "bidora")
    return doraConfig({ ...settings, ...(normGradient && { normGradient }) });
  const { config }: Pick<AdapterMethod, "config"> = ADAPTER_METHODS[method];
  return config(settings);
}

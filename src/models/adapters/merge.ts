import { BidoraError, checkArguments } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import { DenseWeight, Embedding, Linear, type Parameter } from "../nn/index.js";
import type { AdaptedModel, AdaptedModule } from "./adapted.js";
import { aMerged, anAdapted } from "./adapterConfig.js";
import { eject, reinject } from "./inject.js";

/** An adapter and its layer. */
export type AdaptedLayer = Pick<AdaptedModule, "adapter" | "layer">;

/**
 * The weight that computes what layer and adapter compute together, shaped as the layer's weight.
 * @param dtype of the computation and the result; by default that of the adapter's tensors
 */
export function mergedWeight(merged: AdaptedLayer, dtype?: torch.DType): torch.Tensor {
  const { adapter, layer, own } = readMerged("mergedWeight", merged, dtype);
  return torch.noGrad(() => torch.scope(() => adapter.mergedWeight(layer, own)));
}

function readMerged(call: string, merged: AdaptedLayer, dtype: torch.DType | undefined) {
  checkArguments(call, ["merged", merged, aMerged]);
  return { ...merged, own: dtype ?? merged.adapter.dtype };
}

/** The bias that belongs to `mergedWeight`; undefined if the layer's bias does not change. */
export function mergedBias(merged: AdaptedLayer, dtype?: torch.DType): torch.Tensor | undefined {
  const { adapter, layer, own } = readMerged("mergedBias", merged, dtype);
  const bias = biasOf(layer);
  return torch.noGrad(() =>
    torch.scope(() => {
      const update = adapter.biasUpdate(layer, own);
      return update && bias && torch.add(torch.castTo(bias.tensor, own), update);
    }),
  );
}

const biasOf = (layer: AdaptedLayer["layer"]) => (layer instanceof Linear ? layer.bias : undefined);

/** @throws BidoraError `MERGE` naming the first module whose adapter cannot be merged */
export function refuseUnmerged({ modules }: AdaptedModel): void {
  for (const { path, layer, adapter } of modules) {
    const why = adapter.whyNotMerged(layer);
    if (why !== undefined) throw new BidoraError("MERGE", `${path} ${why}.`);
  }
}

/** @throws BidoraError `MERGE` naming the first module that shares its weight with another module */
function refuseShared({ model, modules }: AdaptedModel): void {
  for (const { path, layer } of modules) {
    const other = [...model.baseModules()].find(
      ([, module]) =>
        (module instanceof Linear || module instanceof Embedding) && module !== layer && module.weight === layer.weight,
    );
    if (!other) continue;
    throw new BidoraError(
      "MERGE",
      `${path} and ${other[0]} are one tensor, which cannot hold two different merged weights: leave the adapter unmerged, or write a merged model, which stores both.`,
    );
  }
}

/** The model's parameters that merging changes, by path, each computed on demand. */
export function mergedParameters(adapted: AdaptedModel, dtype?: torch.DType): Map<string, () => torch.Tensor> {
  checkArguments("mergedParameters", ["adapted", adapted, anAdapted]);
  refuseUnmerged(adapted);
  const merged = new Map<string, () => torch.Tensor>();
  for (const module of adapted.modules) {
    merged.set(`${module.path}.weight`, () => mergedWeight(module, dtype));
    const bias = mergedBias(module, dtype);
    if (bias) merged.set(`${module.path}.bias`, () => bias);
  }
  return merged;
}

/**
 * Merges adapters into the model's weights and removes them.
 * @returns a function that restores weights and adapters exactly; the old weights stay in memory until then
 * @throws BidoraError `MERGE` for an adapter that can't be merged, before anything is changed
 */
export function merge(adapted: AdaptedModel): () => void {
  refuseUnmerged(adapted);
  refuseShared(adapted);
  return torch.noGrad(() => {
    const undo = adapted.modules.flatMap((module) => {
      const { weight } = module.layer;
      const bias = mergedBias(module);
      const own = biasOf(module.layer);
      const undoWeight = replace(weight, mergedWeight(module));
      return bias && own ? [undoWeight, replace(own, bias)] : [undoWeight];
    });
    eject(adapted);
    return () => {
      for (const step of undo) step();
      reinject(adapted);
    };
  });
}

/** Puts a value in a parameter, in place if it is dense, so that every holder sees the change; returns a function that undoes it. */
function replace(parameter: Parameter, value: torch.Tensor): () => void {
  return parameter.values.isDense ? overwrite(parameter.tensor, value) : swap(parameter, value);
}

function swap(parameter: Parameter, value: torch.Tensor): () => void {
  const before = parameter.swapValues(new DenseWeight(torch.keep(value)));
  return () => before && parameter.swapValues(before)?.dispose();
}

function overwrite(tensor: torch.Tensor, value: torch.Tensor): () => void {
  const before = torch.keep(torch.clone(tensor));
  torch.copy_(tensor, value);
  value.dispose();
  return () => {
    torch.noGrad(() => torch.copy_(tensor, before));
    before.dispose();
  };
}

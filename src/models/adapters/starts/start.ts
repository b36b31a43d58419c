// Starts of new adapters that depend on the weights, and what they take out of the base of saved ones.

import { BidoraError } from "../../../base/index.js";
import * as torch from "../../../torch/index.js";
import { OutputLinear } from "../../nn/index.js";
import type { AdaptedModule } from "../adapted.js";
import type { Adapter } from "../adapter.js";
import type { AdapterConfig } from "../adapterConfig.js";
import type { LowRank, LowRankMatrices } from "../lowRank.js";
import { type LowRankConfig, rankAndScale, type SavedStart } from "../lowRankConfig.js";
import type { Slot } from "../targets.js";
import { orthogonal, PARTS_OF_WEIGHTS, requireRank, vectorsOfSvd, withSigns } from "./ofWeights.js";

/** A start that takes a part of each weight out of the base. */
type PartStart = keyof typeof PARTS_OF_WEIGHTS;

const isPart = (start: SavedStart): start is PartStart => start in PARTS_OF_WEIGHTS;

/** How the updates of an adapter start; methods without updates have no such setting. */
const startOf = (config: AdapterConfig): SavedStart => (config as Partial<LowRankConfig>).initLoraWeights ?? "default";

/** Whether the weights decide how the updates of such an adapter start. */
export const startsFromWeights = (config: AdapterConfig): boolean => {
  const start = startOf(config);
  return start === "orthogonal" || isPart(start);
};

/**
 * Refuses layers that cannot start as the settings say, before anything is changed.
 * @throws BidoraError `ADAPTER_CONFIG` for an embedding, a tied or a packed weight, or a rank that a weight does not have
 */
export function checkStart(slots: readonly Slot[], config: LowRankConfig): void {
  const start = startOf(config);
  if (start === "default" || start === "gaussian") return;
  const embedding = slots.find(({ kind }) => kind === "embedding");
  if (embedding) throw refusal(start, `has no way to start the embedding ${embedding.path}: exclude that module`);
  if (!isPart(start)) return;
  for (const slot of slots) requireUntied(slot, start);
  for (const slot of slots) requireDense(slot, start);
  for (const slot of slots) requireRank(slot.path, rankAndScale(config, slot.path).rank, slot);
}

/** @throws BidoraError `ADAPTER_CONFIG` for a weight that the embeddings have too: PEFT takes the part out of both */
function requireUntied({ path, layer }: Slot, start: string): void {
  if (layer instanceof OutputLinear && layer.tied)
    throw refusal(start, `takes a part out of ${path}, which is the table of the embeddings too: exclude that module`);
}

/** @throws BidoraError `ADAPTER_CONFIG` for a packed weight, of which no part can be taken out */
export function requireDense({ path, layer }: Slot, start: string): void {
  const { values } = layer.weight;
  if (values.isDense) return;
  throw refusal(
    start,
    `takes a part out of each weight, and ${path} is packed: load the model without a packed --base-dtype`,
  );
}

const refusal = (start: string, why: string): BidoraError =>
  new BidoraError("ADAPTER_CONFIG", `init_lora_weights ${start} ${why}.`);

/** Starts a new adapter's updates, one layer at a time. */
export function startUpdates(
  modules: readonly AdaptedModule[],
  config: AdapterConfig,
  generator: torch.Generator,
): void {
  const start = startOf(config);
  if (start !== "orthogonal" && !isPart(start)) return;
  for (const module of modules) {
    if (hasShapesAlone(module)) {
      if (isPart(start)) removeOwn(module.adapter);
      continue;
    }
    torch.scope(() =>
      setStart(
        module.adapter.lowRank!,
        start === "orthogonal"
          ? orthogonal(module, module.adapter.lowRank!.rank, generator)
          : partOf(module, config as LowRankConfig, start),
      ),
    );
    beginFrom(module, isPart(start));
  }
}

/** On the device `meta` nothing is computed. */
const hasShapesAlone = ({ layer }: AdaptedModule): boolean => layer.weight.values.device === "meta";

/** Takes out of the base what A and B are now. */
function removeOwn(adapter: Adapter): void {
  const { a, b } = adapter.lowRank!.parameters;
  adapter.lowRank!.remove({ a: a.tensor, b: b.tensor });
}

function partOf({ path, layer }: AdaptedModule, config: LowRankConfig, start: PartStart): LowRankMatrices {
  const { rank, scale } = rankAndScale(config, path);
  const weight = layer.weight.values.dense("float64");
  const part = PARTS_OF_WEIGHTS[start](weight, rank, scale);
  return start === "pissa" ? withSigns(part, vectorsOfSvd(weight)) : part;
}

/** Takes A and B over, but for ranks whose column of B is zero: zeros in both would have no gradient. */
export function setStart({ parameters }: LowRank, { a, b }: LowRankMatrices): void {
  const kept = torch.sum(torch.gtScalar(torch.linalgVectorNorm(b, 2, [0]), 0)).item();
  torch.copy_(torch.narrow(parameters.a.tensor, 0, 0, kept), torch.narrow(a, 0, 0, kept));
  torch.copy_(torch.narrow(parameters.b.tensor, 1, 0, kept), torch.narrow(b, 1, 0, kept));
}

/** What follows from A and B as they are: what is taken out of the base, if anything is, and the magnitudes. */
export function beginFrom({ layer, adapter }: AdaptedModule, isRemoved: boolean): void {
  if (isRemoved) removeOwn(adapter);
  adapter.restart(layer);
}

/** Gives all ranks what rank 0 starts with: machines may round differently. */
export function shareStart(modules: readonly AdaptedModule[], ranks: torch.Ranks): void {
  if (ranks.size === 1) return;
  const tensors = modules.flatMap(({ adapter }) => {
    const { a, b } = adapter.lowRank!.parameters;
    return [a.tensor, b.tensor];
  });
  torch.noGrad(() => {
    if (ranks.rank > 0) for (const tensor of tensors) torch.zero_(tensor);
    torch.scope(() => {
      for (const [i, sum] of ranks.sum(tensors).entries()) torch.copy_(tensors[i]!, sum);
    });
    for (const module of modules) beginFrom(module, module.adapter.lowRank!.removed !== undefined);
  });
}

/** Takes out of the base what the start of a saved adapter took. */
export function removeParts(modules: readonly AdaptedModule[], config: AdapterConfig): void {
  const start = startOf(config);
  if (!isPart(start)) return;
  for (const module of modules) {
    if (hasShapesAlone(module)) {
      removeOwn(module.adapter);
      continue;
    }
    const { path, layer, adapter } = module;
    const { rank, scale } = rankAndScale(config as LowRankConfig, path);
    const lowRank = adapter.lowRank!;
    torch.scope(() => {
      const part = PARTS_OF_WEIGHTS[start](layer.weight.values.dense("float64"), rank, scale);
      // The signs that the trained matrices have kept, so that A0 is what A was.
      lowRank.remove(start === "pissa" ? withSigns(part, lowRank.parameters.b.tensor) : part);
    });
  }
}

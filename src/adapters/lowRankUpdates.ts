import type * as torch from "../torch/index.js";
import { type AdaptedModel, type AdaptedModule, savedTensors } from "./adapted.js";
import type { AdapterConfig } from "./config.js";
import { LOW_RANK_NAMES } from "./lowRankSlots.js";
import { addedNames, type ModuleError, toLora } from "./toLora.js";

/** What an adapter does to one layer: scale · B·A. */
export interface LowRankUpdate extends Pick<AdaptedModule, "path" | "kind"> {
  readonly a: torch.Tensor;
  readonly b: torch.Tensor;
  readonly rank: number;
  readonly scale: number;
}

export interface LowRankUpdates {
  readonly updates: readonly LowRankUpdate[];
  readonly modules: readonly ModuleError[];
  /** Of all modules' updates together. */
  readonly relativeError: number;
}

/**
 * The low-rank updates of an adapter: LoRA's own where no rank is above the wanted one, else those of `toLora`.
 * @throws BidoraError as `toLora`
 */
export function lowRankUpdates(adapted: AdaptedModel<AdapterConfig>, rank?: number): LowRankUpdates {
  const own = adapted.config.method === "lora" ? ownUpdates(adapted) : [];
  if (own.length > 0 && own.every((update) => rank === undefined || update.rank <= rank)) {
    return { updates: own, modules: own.map(({ path, rank }) => ({ path, rank, relativeError: 0 })), relativeError: 0 };
  }
  const { tensors, modules, relativeError } = toLora(adapted, rank);
  const updates = adapted.modules.map(({ path, kind }) => {
    const { a, b } = LOW_RANK_NAMES[kind];
    const [tensorA, tensorB] = [tensors.get(`${path}.${a}`)!, tensors.get(`${path}.${b}`)!];
    return { path, kind, a: tensorA, b: tensorB, rank: tensorA.shape[0]!, scale: 1 };
  });
  return { updates, modules, relativeError };
}

const ownUpdates = ({ modules }: AdaptedModel): LowRankUpdate[] =>
  modules.flatMap(({ path, kind, adapter: { lowRank } }) => {
    if (!lowRank) return [];
    const { a, b, rank, scale } = lowRank;
    return [{ path, kind, a, b, rank, scale }];
  });

/** The names of what is trained beside the updates: biases, whole modules, and biases of the updates themselves. */
export function trainedBeside(adapted: AdaptedModel): string[] {
  const added = addedNames(adapted);
  const biases = adapted.modules.filter(({ adapter }) => adapter.biasUpdate(adapter.dtype) !== undefined);
  return [
    ...[...savedTensors(adapted).keys()].filter((name) => !added.has(name)),
    ...biases.map(({ path }) => `${path}.lora_B.bias`),
  ];
}

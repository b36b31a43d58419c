// Shapes: W0 and V [out, in], magnitude and norm [out] or [in] by the axis; an embedding's table is W0ᵀ, [vocab, dim].
import { BidoraError } from "../common/errors.js";
import { castTo } from "../nn/index.js";
import * as torch from "../torch/index.js";
import { type AdaptedModel, type AdaptedModule, lowRankOf, magnitudeOf } from "./adapted.js";
import { gainOf } from "./directionNorm.js";
import { DoraLinear } from "./dora.js";
import { eject, reinject } from "./inject.js";

/**
 * The weight that computes what layer and adapter compute together: W0 + s·B·A, for DoRA (m / ‖V‖)·V. Shaped as the layer's
 * weight.
 * @param dtype of the computation and the result; by default that of the adapter's tensors
 */
export function mergedWeight(module: AdaptedModule, dtype: torch.DType = lowRankOf(module).a.dtype): torch.Tensor {
  return torch.noGrad(() =>
    torch.scope(() => {
      const { a, b, scale } = lowRankOf(module);
      const product = torch.mulScalar(torch.mm(castTo(b, dtype), castTo(a, dtype)), scale);
      const update = module.kind === "embedding" ? torch.t(product) : product;
      const direction = torch.add(castTo(module.layer.weight.tensor, dtype), update);
      const magnitude = magnitudeOf(module)?.tensor;
      if (!magnitude) return direction;
      const along = magnitudeDimension(module);
      const norm = torch.linalgVectorNorm(direction, 2, [1 - along]);
      const gain = torch.unsqueeze(gainOf(castTo(magnitude, dtype), norm), 1 - along);
      return torch.mul(direction, gain);
    }),
  );
}

/** The dimension of the layer's weight that has one magnitude an element. */
function magnitudeDimension({ adapter }: AdaptedModule): 0 | 1 {
  return adapter instanceof DoraLinear && adapter.axis === "out" ? 0 : 1;
}

/**
 * The bias that goes with `mergedWeight`: b + s·b_B where B has a bias of its own; undefined where the layer's stays as it is.
 * Magnitudes never scale it.
 * @throws BidoraError `MERGE` when the layer has no bias to add to
 */
export function mergedBias(module: AdaptedModule, dtype?: torch.DType): torch.Tensor | undefined {
  const { bBias, scale } = lowRankOf(module);
  if (!bBias) return undefined;
  const bias = module.kind === "linear" ? module.layer.bias : undefined;
  if (!bias) throw new BidoraError("MERGE", `${module.path} has no bias that lora_bias could be merged into.`);
  const wanted = dtype ?? bBias.dtype;
  return torch.noGrad(() =>
    torch.scope(() => torch.add(castTo(bias.tensor, wanted), castTo(bBias, wanted), { alpha: scale })),
  );
}

/** The model's parameters that merging changes, by path; each is computed when it is asked for. */
export function mergedParameters(adapted: AdaptedModel, dtype?: torch.DType): Map<string, () => torch.Tensor> {
  const merged = new Map<string, () => torch.Tensor>();
  for (const module of adapted.modules) {
    merged.set(`${module.path}.weight`, () => mergedWeight(module, dtype));
    if (lowRankOf(module).bBias) merged.set(`${module.path}.bias`, () => mergedBias(module, dtype) as torch.Tensor);
  }
  return merged;
}

/**
 * Merges adapters into the model's own weights and takes them out.
 * @returns puts weights and adapters back as they were, bit by bit; the old weights are held until then
 * @throws BidoraError `MERGE` as `mergedBias`, before anything is changed
 */
export function merge(adapted: AdaptedModel): () => void {
  return torch.noGrad(() => {
    const biases = adapted.modules.map((module) => mergedBias(module));
    const undo = adapted.modules.flatMap((module, i) => {
      const { weight } = module.layer;
      const bias = module.kind === "linear" ? module.layer.bias : undefined;
      const undoWeight = replace(weight.tensor, mergedWeight(module));
      const newBias = biases[i];
      return newBias && bias ? [undoWeight, replace(bias.tensor, newBias)] : [undoWeight];
    });
    eject(adapted);
    return () => {
      for (const step of undo) step();
      reinject(adapted);
    };
  });
}

/** Changes a tensor in place, so that all who hold it see it; returns the way back. */
function replace(tensor: torch.Tensor, value: torch.Tensor): () => void {
  const before = torch.keep(torch.clone(tensor));
  torch.copy_(tensor, value);
  value.dispose();
  return () => {
    torch.noGrad(() => torch.copy_(tensor, before));
    before.dispose();
  };
}

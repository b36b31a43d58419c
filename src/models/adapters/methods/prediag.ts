// Shapes: x [n, in], y [n, out], d [out]; of an embedding: ids [n], table [vocab, dim], d [dim].

import { omit, pick } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import { Embedding, type ForwardContext, type Linear, type Parameter } from "../../nn/index.js";
import type { Layer } from "../adapter.js";
import type { LowRank } from "../lowRank.js";
import {
  fromSettings,
  LOW_RANK_DEFAULTS,
  LOW_RANK_OPTIONS,
  type LowRankConfig,
  lowRankFacts,
  toSettings,
} from "../lowRankConfig.js";
import { LowRankAdapter, lowRankOf, lowRankSlots, lowRankTensors } from "../lowRankLayers.js";
import { type AdapterMethod, full } from "../method.js";
import { LORA_DEFAULTS, LORA_SUFFIXES, parseLoraKeys, renderLoraKeys } from "../peft/loraKeys.js";

/** Settings of Pre-Diag: LoRA's, without a bias of B. */
export interface PrediagConfig extends LowRankConfig {
  readonly method: "prediag";
}

const prediagConfig = (options: Partial<LowRankConfig>): PrediagConfig => ({
  ...LOW_RANK_DEFAULTS,
  ...options,
  loraBias: false,
  method: "prediag",
});

/** The name of a layer's diagonal, after the layer's path. */
export const DIAGONAL = "prediag_diagonal";

/**
 * Pre-Diag (arXiv 2511.00051): diag(d)·W0 + s·B·A, y = d ⊙ (x·W0ᵀ) + s·(x·Aᵀ)·Bᵀ + b, with d from 1. One d for each output and its start are
 * those of the authors' code (github.com/MaeChd/SORA), as part of SORA. There, d also multiplies the bias in the forward pass, but not in what
 * merging computes; here it multiplies the weight alone, as in the formula. It multiplies z as z + z ⊙ (d − 1), which changes no bit where d is 1.
 */
class PrediagLinear extends LowRankAdapter {
  constructor(
    lowRank: LowRank,
    private readonly diagonal: Parameter,
  ) {
    super(lowRank);
  }

  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    return this.#conditioned(layer.base(x), this.lowRank.drop(x, context), layer);
  }

  override get followsLayer(): boolean {
    return true;
  }

  override afterLayer(base: torch.Tensor, x: torch.Tensor, layer: Linear): torch.Tensor {
    return this.#conditioned(base, x, layer);
  }

  /** @param base x·W0ᵀ + b @param branch the input of the low-rank update */
  #conditioned(base: torch.Tensor, branch: torch.Tensor, { bias }: Linear): torch.Tensor {
    const product = bias ? torch.sub(base, torch.castTo(bias.tensor, base.dtype)) : base;
    return this.lowRank.addTo(torch.addcmul(base, product, lessOne(this.diagonal, base.dtype)), branch);
  }

  override mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    return conditioned(this.lowRank, this.diagonal, layer, dtype);
  }
}

/** Pre-Diag of an embedding: rows of table·diag(d) + s·(B·A)ᵀ. */
class PrediagEmbedding extends LowRankAdapter {
  constructor(
    lowRank: LowRank,
    private readonly diagonal: Parameter,
  ) {
    super(lowRank);
  }

  forward(ids: torch.Tensor, layer: Embedding, _context: ForwardContext): torch.Tensor {
    const base = layer.base(ids);
    const rows = torch.addcmul(base, base, lessOne(this.diagonal, base.dtype));
    return this.lowRank.addRows(rows, ids, layer);
  }

  override mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    return conditioned(this.lowRank, this.diagonal, layer, dtype);
  }
}

/** d − 1 */
const lessOne = ({ tensor }: Parameter, dtype: torch.DType): torch.Tensor =>
  torch.castTo(torch.subScalar(tensor, 1), dtype);

/** diag(d)·W0 + s·B·A, shaped as the layer's weight. */
function conditioned(lowRank: LowRank, diagonal: Parameter, layer: Layer, dtype: torch.DType): torch.Tensor {
  const d = torch.castTo(diagonal.tensor, dtype);
  const isTable = layer instanceof Embedding;
  const product = lowRank.product(dtype);
  const scaled = torch.mul(layer.weight.values.dense(dtype), isTable ? d : torch.unsqueeze(d, 1));
  return torch.add(scaled, isTable ? torch.t(product) : product);
}

const OPTIONS = pick(
  LOW_RANK_OPTIONS,
  ...(["targetModules", "rank", "alpha", "dropout", "rslora", "rankPattern", "alphaPattern"] as const),
);

export const prediag: AdapterMethod<PrediagConfig, typeof OPTIONS> = {
  about: "factors for the outputs of weights, and a low-rank update",
  learningRate: 1e-3,
  options: OPTIONS,
  retunable: ["dropout"],
  config: prediagConfig,
  fromSettings: (settings) => fromSettings(settings as Parameters<typeof fromSettings>[0]),
  toSettings: (config) => omit(toSettings(config), "initLoraWeights"),
  inLayers: {
    findSlots: lowRankSlots,
    tensors: (slot, config) => [...lowRankTensors(slot, config), full(DIAGONAL, [slot.out], 1)],
    build(slot, config, parameters) {
      const [lowRank, diagonal] = [lowRankOf(slot, config, parameters), parameters.get(DIAGONAL)!];
      return slot.kind === "linear" ? new PrediagLinear(lowRank, diagonal) : new PrediagEmbedding(lowRank, diagonal);
    },
    facts: lowRankFacts,
  },
  codec: {
    peftType: "PREDIAG",
    whyNotPeft: () => "PEFT has no Pre-Diag",
    defaults: LORA_DEFAULTS,
    parse: (file, json) => prediagConfig(parseLoraKeys(file, json)),
    render: (config, paths) => renderLoraKeys(config, paths, false),
    suffixes: [...LORA_SUFFIXES, DIAGONAL],
  },
};

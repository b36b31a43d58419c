// Shapes: x [n, in], h and y [n, out], down [m, out], up [out, m], m the width of the bottleneck.

import * as z from "zod";
import { BidoraError } from "../../../base/index.js";
import { choice, whole } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import {
  type Activation,
  activation,
  type ForwardContext,
  type Linear,
  type Parameter,
  type SubLayerOutputs,
} from "../../nn/index.js";
import { Adapter } from "../adapter.js";
import { methodOption, TARGET_DEFAULTS, type TargetedConfig } from "../adapterConfig.js";
import { type AdapterMethod, normal, zeros } from "../method.js";
import { peftKeys, TARGET_KEY_DEFAULTS } from "../peft/targetKeys.js";
import { linearSlots } from "../targets.js";

/** Where bottlenecks are inserted: after attention and feed-forward (Houlsby et al.), or after feed-forward only (Pfeiffer et al.). */
export const ADAPTER_PLACEMENTS = ["houlsby", "pfeiffer"] as const;

export type AdapterPlacement = (typeof ADAPTER_PLACEMENTS)[number];

/** Settings of bottleneck adapters. */
export interface BottleneckConfig extends TargetedConfig {
  readonly method: "adapter";
  /** Width of the bottleneck. */
  readonly adapterSize: number;
  readonly adapterPlacement: AdapterPlacement;
  /** Its name in Hugging Face configurations. */
  readonly nonLinearity: string;
  readonly trainsNorms: boolean;
}

/**
 * Other differences between the two. Houlsby's follow their authors' code (google-research/adapter-bert): GELU by its tanh
 * formula, and the norms are trained too. Pfeiffer's use ReLU, as in the `adapters` library, and do not train norms.
 */
const OF_PLACEMENT = {
  houlsby: { nonLinearity: "gelu_new", trainsNorms: true },
  pfeiffer: { nonLinearity: "relu", trainsNorms: false },
} as const;

/** Settings of bottleneck adapters; by default Houlsby's of width 64. */
const bottleneckConfig = (options: Partial<BottleneckConfig>): BottleneckConfig => ({
  ...TARGET_DEFAULTS,
  adapterSize: 64,
  adapterPlacement: "houlsby",
  ...OF_PLACEMENT[options.adapterPlacement ?? "houlsby"],
  ...options,
  method: "adapter",
});

/** The layers that are followed by bottlenecks. */
function placed(
  placement: AdapterPlacement,
  { attention, feedForward }: SubLayerOutputs,
): Pick<BottleneckConfig, "targetModules" | "excludeModules"> {
  if (placement === "pfeiffer") return { targetModules: feedForward, excludeModules: attention };
  return { targetModules: [...new Set([...attention, ...feedForward])], excludeModules: undefined };
}

/** Names of the tensors in the `adapters` library. */
const DOWN = { weight: "adapter_down.weight", bias: "adapter_down.bias" } as const;
const UP = { weight: "adapter_up.weight", bias: "adapter_up.bias" } as const;

const NOT_MERGED =
  "is followed by a bottleneck, which cannot be merged into a weight and a bias: use the adapter unmerged";

/** A linear layer of a bottleneck. */
interface Dense {
  readonly weight: Parameter;
  readonly bias: Parameter;
}

/**
 * A bottleneck after the last layer of a sub-layer (arXiv 1902.00751, section 2.1): h = x·W0ᵀ + b,
 * y = h + up(f(down(h))). The sub-layer's dropout, residual sum and norm come after it.
 */
export class Bottleneck extends Adapter {
  private readonly activation: Activation;

  constructor(
    readonly down: Dense,
    readonly up: Dense,
    /** The name of its activation in Hugging Face configurations. */
    readonly nonLinearity: string,
  ) {
    super();
    this.activation = activation(nonLinearity);
  }

  get rank(): number {
    return this.down.weight.shape[0]!;
  }

  get dtype(): torch.DType {
    return this.down.weight.tensor.dtype;
  }

  forward(x: torch.Tensor, layer: Linear, _context: ForwardContext): torch.Tensor {
    const h = layer.base(x);
    const narrowed = this.activation(product(h, this.down)); // n,m
    return torch.add(h, product(narrowed, this.up));
  }

  override whyNotMerged(): string {
    return NOT_MERGED;
  }

  mergedWeight(): torch.Tensor {
    throw new BidoraError("MERGE", `A layer ${NOT_MERGED}.`);
  }
}

function product(x: torch.Tensor, { weight, bias }: Dense): torch.Tensor {
  return torch.linear(x, torch.castTo(weight.tensor, x.dtype), torch.castTo(bias.tensor, x.dtype));
}

/** Standard deviation of the initial down projection, as in the `adapters` library. */
const DEVIATION = 0.02;

const KEYS = peftKeys("adapter_only", {
  adapterSize: ["adapter_size", 64, z.int().min(1)],
  adapterPlacement: ["adapter_placement", "houlsby", z.enum(ADAPTER_PLACEMENTS)],
  nonLinearity: ["non_linearity", "gelu_new", z.string()],
  trainsNorms: ["trains_norms", true, z.boolean()],
});

const OPTIONS = {
  adapterSize: methodOption.rare(whole(1), "width of the bottleneck that --method adapter inserts", { default: 64 }),
  adapterPlacement: methodOption.rare(
    choice(ADAPTER_PLACEMENTS),
    "insert bottlenecks after attention and feed-forward layers and train the norms too (houlsby), or after feed-forward layers only (pfeiffer)",
    { default: "houlsby" },
  ),
};

/** Bottleneck adapters. PEFT has no such type: only bidora's own files have the type `ADAPTER`. */
export const adapter: AdapterMethod<BottleneckConfig, typeof OPTIONS> = {
  about: "bottlenecks behind the sub-layers",
  learningRate: 1e-3,
  options: OPTIONS,
  retunable: [],
  config: bottleneckConfig,
  fromSettings: ({ adapterSize, adapterPlacement }, { subLayerOutputs }) => ({
    adapterSize,
    adapterPlacement,
    ...placed(adapterPlacement, subLayerOutputs),
  }),
  toSettings: ({ adapterSize, adapterPlacement }) => ({ adapterSize, adapterPlacement }),
  inLayers: {
    findSlots: (model, config) => linearSlots(model, config, "A bottleneck goes behind linear layers only"),
    tensors({ out }, { adapterSize: width }) {
      return [
        normal(DOWN.weight, [width, out], DEVIATION),
        zeros(DOWN.bias, [width], { decays: false }),
        zeros(UP.weight, [out, width]),
        zeros(UP.bias, [out], { decays: false }),
      ];
    },
    build(_slot, { nonLinearity }, parameters) {
      const pair = ({ weight, bias }: typeof DOWN | typeof UP) => ({
        weight: parameters.get(weight)!,
        bias: parameters.get(bias)!,
      });
      return new Bottleneck(pair(DOWN), pair(UP), nonLinearity);
    },
    facts: () => ({}),
  },
  codec: {
    peftType: "ADAPTER",
    whyNotPeft: () => "PEFT has no bottleneck adapters",
    defaults: { ...TARGET_KEY_DEFAULTS, ...KEYS.defaults },
    parse: (file, json) => bottleneckConfig(KEYS.parse(file, json)),
    render: KEYS.render,
    suffixes: [DOWN.weight, DOWN.bias, UP.weight, UP.bias],
  },
};

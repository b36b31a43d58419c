// Shapes: x [n, in], y [n, out], l [1, in] for a feed-forward layer, otherwise [out, 1].
import * as z from "zod";
import { BidoraError, fullMatch, UsageError } from "../../../base/index.js";
import { modules, pick, toggle } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import { Linear, type Parameter } from "../../nn/index.js";
import { Adapter, type Layer } from "../adapter.js";
import { methodOption, TARGET_DEFAULTS, type TargetedConfig, type TargetModules } from "../adapterConfig.js";
import { LOW_RANK_OPTIONS } from "../lowRankConfig.js";
import { type AdapterMethod, full, normal, type TensorSpec } from "../method.js";
import { asJson, checkedKeys, targetKeys } from "../peft/targetKeys.js";
import { linearSlots, type Slot } from "../targets.js";

/** Settings of (IA)³; meanings and defaults are PEFT's, which can't train biases or select single layers of the model. */
export interface Ia3Config extends TargetedConfig {
  readonly method: "ia3";
  readonly bias: "none";
  /** The adapted layers whose input is scaled instead of their output: ends of paths, or a regular expression for the whole path. */
  readonly feedforwardModules: TargetModules;
  /** Whether to initialize with ones instead of standard normal values. */
  readonly initWeights: boolean;
}

const ia3Config = (options: Partial<Ia3Config>): Ia3Config => ({
  ...TARGET_DEFAULTS,
  feedforwardModules: [],
  initWeights: true,
  ...options,
  bias: "none",
  layersToTransform: undefined,
  layersPattern: undefined,
  method: "ia3",
});

/** The name of a layer's vector in PEFT's files, after the layer's path. */
export const VECTOR = "ia3_l";

/** As in PEFT, `dense` also matches the end of `intermediate_dense`. */
function isFeedforward(path: string, { feedforwardModules: names }: Ia3Config): boolean {
  return typeof names === "string" ? fullMatch(names, path) : names.some((name) => path.endsWith(name));
}

/**
 * (IA)³ (arXiv 2205.05638, section 3.3): y = l ⊙ (x·W0ᵀ + b), and y = (l ⊙ x)·W0ᵀ + b in a feed-forward layer. As in PEFT, the product with l
 * is computed in l's dtype.
 */
class Ia3Linear extends Adapter {
  readonly rank: number;

  constructor(
    slot: Slot,
    private readonly vector: Parameter,
    private readonly scalesInput: boolean,
  ) {
    super();
    this.rank = Math.min(slot.in, slot.out);
  }

  get dtype(): torch.DType {
    return this.vector.tensor.dtype;
  }

  forward(x: torch.Tensor, layer: Linear): torch.Tensor {
    return this.scalesInput ? layer.base(this.#scaled(x)) : this.#scaled(layer.base(x));
  }

  #scaled(x: torch.Tensor): torch.Tensor {
    const scaled = torch.mul(torch.castTo(x, this.dtype), torch.reshape(this.vector.tensor, [-1]));
    return torch.castTo(scaled, x.dtype);
  }

  mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    return torch.mul(layer.weight.values.dense(dtype), torch.castTo(this.vector.tensor, dtype));
  }

  /** l ⊙ b − b */
  override biasUpdate(layer: Layer, dtype: torch.DType): torch.Tensor | undefined {
    const bias = layer instanceof Linear && !this.scalesInput ? layer.bias : undefined;
    if (!bias) return undefined;
    const change = () => torch.addScalar(torch.castTo(torch.reshape(this.vector.tensor, [-1]), dtype), -1);
    return torch.noGrad(() => torch.scope(() => torch.mul(torch.castTo(bias.tensor, dtype), change())));
  }
}

const vectorOf = (shape: readonly [number, number], { initWeights }: Ia3Config): TensorSpec =>
  initWeights ? full(VECTOR, shape, 1) : normal(VECTOR, shape, 1);

/**
 * The attention layers adapted by default, by `model_type`, if they differ from LoRA's. PEFT has defaults for bert, roberta, deberta-v2,
 * llama and mistral; for the others they are the analogous layers, keys and values.
 */
const KEYS_AND_VALUES: Readonly<Record<string, readonly string[]>> = {
  bert: ["key", "value"],
  roberta: ["key", "value"],
  "xlm-roberta": ["key", "value"],
  camembert: ["key", "value"],
  electra: ["key", "value"],
  esm: ["key", "value"],
  "deberta-v2": ["key_proj", "value_proj"],
  distilbert: ["k_lin", "v_lin"],
  mpnet: ["k", "v"],
  llama: ["k_proj", "v_proj"],
  mistral: ["k_proj", "v_proj"],
};

/** The names of feed-forward layers that are not target modules, which PEFT refuses. */
function strayNames(feedforward: TargetModules, targets: TargetModules): readonly string[] {
  const areLists = typeof feedforward !== "string" && typeof targets !== "string";
  return areLists ? feedforward.filter((name) => !targets.includes(name)) : [];
}

/** @throws UsageError */
function refuseStray(feedforward: TargetModules, targets: TargetModules): void {
  const stray = strayNames(feedforward, targets);
  if (stray.length === 0) return;
  throw new UsageError(
    `--ia3-feedforward-modules has ${stray.join(", ")}, which is not among the target modules ${[targets].flat().join(", ")}: only layers with an adapter can be scaled.`,
  );
}

const keys = targetKeys.pick({ target_modules: true, exclude_modules: true, modules_to_save: true }).extend({
  feedforward_modules: z.union([z.array(z.string()), z.string()]).nullable(),
  init_ia3_weights: z.boolean(),
});

const OPTIONS = {
  ...pick(LOW_RANK_OPTIONS, "targetModules"),
  ia3FeedforwardModules: methodOption.rare(
    modules,
    "layers whose input --method ia3 scales instead of their output, among those of --target-modules",
    { defaultText: "by model" },
  ),
  ia3InitWeights: methodOption.rare(
    toggle,
    "start --method ia3 with factors of 1, which change nothing, not with normally distributed ones",
    { default: true },
  ),
};

export const ia3: AdapterMethod<Ia3Config, typeof OPTIONS> = {
  about: "factors for keys, values and the input of feed-forward outputs",
  learningRate: 8e-3,
  options: OPTIONS,
  retunable: [],
  config: ia3Config,
  defaultTargets: ({ modelType, defaultTargetModules, subLayerOutputs }) => [
    ...(KEYS_AND_VALUES[modelType] ?? defaultTargetModules),
    ...subLayerOutputs.feedForward,
  ],
  fromSettings({ targetModules, ia3FeedforwardModules, ia3InitWeights }, { subLayerOutputs }) {
    if (ia3FeedforwardModules !== undefined) refuseStray(ia3FeedforwardModules, targetModules);
    const feedforwardModules = ia3FeedforwardModules ?? subLayerOutputs.feedForward;
    return { targetModules, feedforwardModules, initWeights: ia3InitWeights };
  },
  toSettings: ({ targetModules, feedforwardModules, initWeights }) => ({
    targetModules,
    ia3FeedforwardModules: feedforwardModules,
    ia3InitWeights: initWeights,
  }),
  inLayers: {
    findSlots: (model, config) => linearSlots(model, config, "(IA)³ goes to linear layers only, as in PEFT"),
    tensors: (slot, config) => [vectorOf(isFeedforward(slot.path, config) ? [1, slot.in] : [slot.out, 1], config)],
    build: (slot, config, parameters) => new Ia3Linear(slot, parameters.get(VECTOR)!, isFeedforward(slot.path, config)),
    facts: () => ({}),
  },
  codec: {
    peftType: "IA3",
    defaults: {
      exclude_modules: null,
      fan_in_fan_out: false,
      feedforward_modules: null,
      init_ia3_weights: true,
      modules_to_save: null,
      target_modules: null,
    },
    parse(file, json) {
      const data = checkedKeys(file, keys, json);
      const { feedforward_modules: feedforwardModules } = data;
      if (feedforwardModules === null)
        throw new BidoraError(
          "ADAPTER_CONFIG",
          `${file}: feedforward_modules is null: list the layers whose input is scaled.`,
        );
      return ia3Config({
        targetModules: data.target_modules ?? [],
        excludeModules: data.exclude_modules?.length ? data.exclude_modules : undefined,
        modulesToSave: data.modules_to_save ?? [],
        feedforwardModules,
        initWeights: data.init_ia3_weights,
      });
    },
    render(config, paths) {
      const { targetModules, excludeModules, modulesToSave, feedforwardModules, initWeights } = config;
      const areStray = strayNames(feedforwardModules, targetModules).length > 0;
      const feedforward = areStray ? paths.filter((path) => isFeedforward(path, config)) : feedforwardModules;
      return {
        target_modules: asJson(areStray ? paths : targetModules),
        exclude_modules: excludeModules === undefined ? null : asJson(excludeModules),
        modules_to_save: modulesToSave.length > 0 ? [...modulesToSave] : null,
        feedforward_modules: asJson(feedforward),
        init_ia3_weights: initWeights,
      };
    },
    suffixes: [VECTOR],
  },
};

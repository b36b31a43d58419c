// Shapes: x [n, in], A [r, largest in], B [largest out, r], λ_d [r], λ_b [out].
import * as z from "zod";
import { BidoraError } from "../../../base/index.js";
import { pick } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import { Dropout, type ForwardContext, type Linear, type Parameter } from "../../nn/index.js";
import { Adapter } from "../adapter.js";
import { TARGET_DEFAULTS, type TargetedConfig } from "../adapterConfig.js";
import { LOW_RANK_OPTIONS } from "../lowRankConfig.js";
import { type AdapterMethod, full, type TensorSpec, uniform, zeros } from "../method.js";
import { peftKeys, refusedLayers, TARGET_KEY_DEFAULTS } from "../peft/targetKeys.js";
import { linearSlots, type Slot } from "../targets.js";

/** Settings of VeRA; meanings and defaults are PEFT's. */
export interface VeraConfig extends TargetedConfig {
  readonly method: "vera";
  readonly rank: number;
  readonly dropout: number;
  /** Every element of λ_d at the start. */
  readonly dInitial: number;
  /** PEFT's seed of the projections; it must be the same in all adapters of a model. */
  readonly projectionKey: number;
}

const veraConfig = (options: Partial<VeraConfig>): VeraConfig => ({
  ...TARGET_DEFAULTS,
  rank: 256,
  dropout: 0,
  dInitial: 0.1,
  projectionKey: 0,
  ...options,
  method: "vera",
});

const [A, B, LAMBDA_B, LAMBDA_D] = ["vera_A", "vera_B", "vera_lambda_b", "vera_lambda_d"] as const;
/** The names of a layer's vectors in PEFT's files, after the layer's path. */
export const LAMBDAS: readonly string[] = [LAMBDA_B, LAMBDA_D];

/**
 * VeRA (arXiv 2310.11454): y = x·W0ᵀ + b + λ_b ⊙ ((λ_d ⊙ (x·Aᵀ))·Bᵀ), with the same frozen A and B in all layers. Each layer
 * uses their first columns and rows.
 */
class VeraLinear extends Adapter {
  readonly #dropout: Dropout;
  readonly #a: torch.Tensor; // r,in
  readonly #b: torch.Tensor; // out,r

  constructor(
    slot: Slot,
    dropout: number,
    a: Parameter,
    b: Parameter,
    private readonly lambdaB: Parameter,
    private readonly lambdaD: Parameter,
  ) {
    super();
    this.#dropout = this.child("vera_dropout", new Dropout(dropout));
    this.#a = torch.keep(torch.narrow(a.tensor, 1, 0, slot.in));
    this.#b = torch.keep(torch.narrow(b.tensor, 0, 0, slot.out));
  }

  protected override release(): void {
    this.#a.dispose();
    this.#b.dispose();
    super.release();
  }

  get rank(): number {
    return this.lambdaD.shape[0]!;
  }

  get dtype(): torch.DType {
    return this.lambdaD.tensor.dtype;
  }

  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    const cast = (tensor: torch.Tensor) => torch.castTo(tensor, x.dtype);
    const reduced = torch.linear(this.#dropout.forward(x, context), cast(this.#a)); // n,r
    const update = torch.linear(torch.mul(reduced, cast(this.lambdaD.tensor)), cast(this.#b)); // n,out
    return torch.addcmul(layer.base(x), update, cast(this.lambdaB.tensor));
  }

  mergedWeight(layer: Linear, dtype: torch.DType): torch.Tensor {
    const rows = (factors: Parameter, matrix: torch.Tensor) =>
      torch.mul(torch.unsqueeze(torch.castTo(factors.tensor, dtype), 1), torch.castTo(matrix, dtype));
    const update = torch.mm(rows(this.lambdaB, this.#b), rows(this.lambdaD, this.#a));
    return torch.add(layer.weight.values.dense(dtype), update);
  }
}

/** Kaiming's uniform initialization, with the number of columns as fan-in. */
const projection = (name: string, shape: readonly [number, number]): TensorSpec =>
  uniform(name, shape, Math.sqrt(6 / shape[1]));

const KEYS = peftKeys("vera_only", {
  rank: ["r", 256, z.int().min(1)],
  dropout: ["vera_dropout", 0, z.number().min(0).lt(1)],
  dInitial: ["d_initial", 0.1, z.number()],
  projectionKey: ["projection_prng_key", 0, z.int()],
});

const { exclude_modules: _none, ...TARGETS } = TARGET_KEY_DEFAULTS;

const OPTIONS = pick(LOW_RANK_OPTIONS, "rank", "dropout", "targetModules");

export const vera: AdapterMethod<VeraConfig, typeof OPTIONS> = {
  about: "scaling vectors over shared random matrices",
  learningRate: 1e-2,
  options: OPTIONS,
  retunable: ["dropout"],
  config: veraConfig,
  fromSettings: ({ rank, dropout, targetModules }) => ({ rank, dropout, targetModules }),
  toSettings: ({ rank, dropout, targetModules }) => ({ rank, dropout, targetModules }),
  inLayers: {
    findSlots: (model, config) => linearSlots(model, config, "VeRA goes to linear layers only, as in PEFT"),
    shared: (slots, { rank }) => [
      projection(A, [rank, Math.max(...slots.map((slot) => slot.in))]),
      projection(B, [Math.max(...slots.map((slot) => slot.out)), rank]),
    ],
    tensors: (slot, { rank, dInitial }) => [zeros(LAMBDA_B, [slot.out]), full(LAMBDA_D, [rank], dInitial)],
    build(slot, { dropout }, parameters) {
      const of = (name: string): Parameter => parameters.get(name)!;
      return new VeraLinear(slot, dropout, of(A), of(B), of(LAMBDA_B), of(LAMBDA_D));
    },
    facts: ({ rank }) => ({ rank }),
  },
  codec: {
    peftType: "VERA",
    defaults: { ...TARGETS, ...KEYS.defaults, fan_in_fan_out: false, init_weights: true, save_projection: true },
    parse(file, json) {
      const why = refusedLayers(json);
      if (why !== undefined) throw new BidoraError("ADAPTER_CONFIG", `${file}: ${why}.`);
      return veraConfig(KEYS.parse(file, { exclude_modules: null, ...json }));
    },
    render(config, paths) {
      const listed = config.excludeModules === undefined ? config : { ...config, targetModules: paths };
      const { exclude_modules: _none, ...keys } = KEYS.render(listed);
      return keys;
    },
    suffixes: [LAMBDA_B, LAMBDA_D],
    shared: [A, B],
    contradiction: (_config, tensors) =>
      tensors.has(A) && tensors.has(B)
        ? undefined
        : "its random projections are not saved with it, and only PEFT can draw them again: load it there, add " +
          'base_model.vera_A["default"] and base_model.vera_B["default"] to adapter_model.safetensors as base_model.vera_A ' +
          "and base_model.vera_B, and set save_projection to true",
  },
};

// Shapes: A [r, in], B [out, r], λ [1], w [in].
import * as z from "zod";
import { BidoraError } from "../../../base/index.js";
import type { JsonObject } from "../../../base/records/index.js";
import { number, pick } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import { squaredNorm } from "../../../torch/operators/index.js";
import type { Parameter } from "../../nn/index.js";
import { methodOption, type Pattern, TARGET_DEFAULTS, type TargetedConfig } from "../adapterConfig.js";
import { LowRank } from "../lowRank.js";
import { LOW_RANK_OPTIONS, rankOf } from "../lowRankConfig.js";
import { LowRankLinear } from "../lowRankLayers.js";
import { type AdapterMethod, full, type TensorSpec, uniform, zeros } from "../method.js";
import { clearRanks, RANK_PATTERN } from "../peft/loraKeys.js";
import { peftKeys, refusedLayers, TARGET_KEY_DEFAULTS } from "../peft/targetKeys.js";
import { linearSlots, refuseConv1D, type Slot } from "../targets.js";

/** Settings of DeLoRA; meanings are PEFT's, names those of a run's settings. */
export interface DeloraConfig extends TargetedConfig {
  readonly method: "delora";
  readonly rank: number;
  readonly rankPattern: Pattern;
  /** λ of every layer at the start. */
  readonly deloraLambda: number;
  readonly dropout: number;
}

const deloraConfig = (options: Partial<DeloraConfig>): DeloraConfig => ({
  ...TARGET_DEFAULTS,
  rank: 8,
  rankPattern: {},
  deloraLambda: 15,
  dropout: 0,
  ...options,
  method: "delora",
});

/** The names of a layer's tensors in PEFT's files, after the layer's path. */
const [A, B, NORMS] = ["delora_A", "delora_B", "delora_w_norm"] as const;
export const LAMBDA = "delora_lambda";

/** PEFT takes this for the length of a shorter vector. */
const LEAST_LENGTH = 1e-4;

/**
 * DeLoRA (arXiv 2503.18225, as PEFT computes it): W = W0 + (λ / r)·Σ_i b_i·a_iᵀ / (‖a_i‖‖b_i‖)·diag(w), with the columns b_i of B, the rows
 * a_i of A, and the lengths w of W0's columns at the start. It is a low-rank update with A·diag(w) and B·diag(c), c_i = λ / (r·‖a_i‖‖b_i‖).
 */
class DeloraUpdate extends LowRank {
  constructor(
    factors: LowRank["parameters"],
    private readonly lambda: Parameter,
    private readonly norms: Parameter,
    dropout: number,
  ) {
    super(factors, 1, dropout);
  }

  override get a(): torch.Tensor {
    return torch.mul(this.parameters.a.tensor, this.norms.tensor);
  }

  override get b(): torch.Tensor {
    return torch.mul(this.parameters.b.tensor, this.#factors);
  }

  /** c, [r] */
  get #factors(): torch.Tensor {
    const { a, b } = this.parameters;
    const lengths = torch.mul(inverseLengths(a.tensor, 1), inverseLengths(b.tensor, 0));
    return torch.mulScalar(torch.mul(lengths, this.lambda.tensor), 1 / this.rank);
  }
}

/** 1 / max(‖v‖, least length) of the vectors along a dimension. Vectors of zeros have derivatives, which those of a norm lack. */
const inverseLengths = (vectors: torch.Tensor, along: 0 | 1): torch.Tensor =>
  torch.rsqrt(torch.clampMin(torch.sumDim(torch.square(vectors), [along]), LEAST_LENGTH ** 2));

function tensorsOf(slot: Slot, config: DeloraConfig): TensorSpec[] {
  const rank = rankOf(config, slot.path);
  const { values } = slot.layer.weight;
  const norms: TensorSpec["start"] = ({ dtype }) => torch.sqrt(squaredNorm(values.dense(), "in", dtype));
  return [
    // Uniform in ±1/√in is Kaiming's initialization with a = √5.
    uniform(A, [rank, slot.in], 1 / Math.sqrt(slot.in)),
    zeros(B, [slot.out, rank]),
    full(LAMBDA, [1], config.deloraLambda),
    { name: NORMS, shape: [slot.in], isFrozen: true, start: norms },
  ];
}

const KEYS = peftKeys("delora_only", {
  rank: ["r", 8, z.int().min(1)],
  rankPattern: ["rank_pattern", {}, RANK_PATTERN],
  deloraLambda: ["delora_lambda", 15, z.number()],
  dropout: ["module_dropout", 0, z.number().min(0).lt(1)],
});

/** @throws BidoraError `ADAPTER_CONFIG` for what is malformed or not supported */
function parse(file: string, json: JsonObject): DeloraConfig {
  const why = refusedLayers(json);
  if (why !== undefined) throw new BidoraError("ADAPTER_CONFIG", `${file}: ${why}.`);
  return deloraConfig(KEYS.parse(file, json));
}

const OPTIONS = {
  ...pick(LOW_RANK_OPTIONS, "rank", "dropout", "targetModules", "rankPattern"),
  deloraLambda: methodOption.rare(
    number({ above: 0 }),
    "λ at the start, the bound on the length of a weight's change relative to the weight's columns",
    { default: 15 },
  ),
};

export const delora: AdapterMethod<DeloraConfig, typeof OPTIONS> = {
  about: "a low-rank update with a trained bound on its length",
  learningRate: 3e-3,
  options: OPTIONS,
  retunable: ["dropout"],
  config: deloraConfig,
  fromSettings: ({ rank, dropout, targetModules, rankPattern = {}, deloraLambda }) => ({
    ...{ rank, dropout, targetModules, rankPattern, deloraLambda },
  }),
  toSettings: ({ rank, dropout, targetModules, rankPattern, deloraLambda }) => ({
    ...{ rank, dropout, targetModules, rankPattern, deloraLambda },
  }),
  inLayers: {
    findSlots(model, config) {
      const slots = linearSlots(model, config, "DeLoRA goes to linear layers only, as in PEFT");
      refuseConv1D(slots, "DeLoRA");
      return slots;
    },
    tensors: tensorsOf,
    build(_slot, { dropout }, parameters) {
      const of = (name: string): Parameter => parameters.get(name)!;
      const update = new DeloraUpdate({ a: of(A), b: of(B) }, of(LAMBDA), of(NORMS), dropout);
      return new LowRankLinear(update, "delora_dropout");
    },
    facts: (config, path) => ({ rank: rankOf(config, path) }),
  },
  codec: {
    peftType: "DELORA",
    // λ of each layer is in the file of tensors, so its pattern says nothing more.
    defaults: { ...TARGET_KEY_DEFAULTS, ...KEYS.defaults, init_weights: true, lambda_pattern: {} },
    parse,
    render: (config, paths) => KEYS.render({ ...config, rankPattern: clearRanks(config, paths) }),
    suffixes: [A, B, LAMBDA, NORMS],
  },
};

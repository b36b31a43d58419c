// Shapes: x [n, in], S [n, r], D [r, out], or [r, columns] with `mini`.
import * as z from "zod";
import { BidoraError } from "../../../base/index.js";
import type { JsonObject } from "../../../base/records/index.js";
import { pick, whole } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import { Parameter } from "../../nn/index.js";
import { methodOption, TARGET_DEFAULTS, type TargetedConfig } from "../adapterConfig.js";
import { LowRank } from "../lowRank.js";
import { LOW_RANK_OPTIONS } from "../lowRankConfig.js";
import { LowRankLinear } from "../lowRankLayers.js";
import { type AdapterMethod, zeros } from "../method.js";
import { peftKeys, refusedLayers, TARGET_KEY_DEFAULTS } from "../peft/targetKeys.js";
import { linearSlots, refuseConv1D, type Slot, type SlotBase } from "../targets.js";

/** Settings of MiSS; meanings are PEFT's, names those of a run's settings. */
export interface MissConfig extends TargetedConfig {
  readonly method: "miss";
  /** Rows of D, at most the inputs of each layer. */
  readonly rank: number;
  readonly dropout: number;
  /** Columns of D, which are repeated for the outputs, if there are fewer (PEFT's `mini`); they divide the outputs of each layer. */
  readonly missMiniRank: number | undefined;
}

const missConfig = (options: Partial<MissConfig>): MissConfig => ({
  ...TARGET_DEFAULTS,
  rank: 8,
  dropout: 0,
  missMiniRank: undefined,
  ...options,
  method: "miss",
});

/** The name of D in PEFT's files, after the layer's path. */
const BLOCK = "miss_block";

/**
 * MiSS (arXiv 2409.15371, as PEFT computes its default form): y = x·W0ᵀ + b + S·D, where S_k is the sum of the inputs k, k + r, k + 2r, ….
 * So B is Dᵀ, and A has a 1 where an input belongs to a sum: the product with it is faster than sums of their own.
 */
class MissUpdate extends LowRank {
  /** How often D's columns are repeated. */
  readonly #times: number;

  constructor(
    { in: inputs, out }: SlotBase,
    private readonly block: Parameter,
    dropout: number,
  ) {
    super({ a: Parameter.of(sumsOf(inputs, block.tensor)), b: block }, 1, dropout);
    this.#times = out / block.shape[1]!;
  }

  override dispose(): void {
    this.parameters.a.values.dispose();
    super.dispose();
  }

  /** Dᵀ, with a row for each output. */
  override get b(): torch.Tensor {
    const { tensor: block } = this.block;
    const [rank, columns] = block.shape as [number, number];
    if (this.#times === 1) return torch.t(block);
    const repeated = torch.expand(torch.unsqueeze(block, 1), [rank, this.#times, columns]);
    return torch.t(torch.reshape(repeated, [rank, this.#times * columns]));
  }
}

/** A: an identity matrix for each r inputs, the last of them cut off. @returns [r, inputs] */
function sumsOf(inputs: number, { shape, dtype, device }: torch.Tensor): torch.Tensor {
  const rank = shape[0]!;
  const blocks = Math.ceil(inputs / rank);
  const make = () => {
    const identities = torch.expand(torch.unsqueeze(torch.eye(rank, { dtype, device }), 1), [rank, blocks, rank]);
    return torch.contiguous(torch.narrow(torch.reshape(identities, [rank, blocks * rank]), 1, 0, inputs));
  };
  return torch.keep(torch.noGrad(() => torch.scope(make)));
}

/** @throws BidoraError `ADAPTER_CONFIG` for layers that PEFT refuses, too */
function refuseSizes(slots: readonly Slot[], { rank, missMiniRank: mini = 1 }: MissConfig): void {
  const narrow = slots.find((slot) => slot.in < rank);
  if (narrow)
    throw new BidoraError(
      "ADAPTER_CONFIG",
      `MiSS sums the inputs of a layer into as many as its rank, ${rank}, and ${narrow.path} has ${narrow.in}: choose a smaller rank, or exclude it.`,
    );
  const uneven = slots.find((slot) => slot.out % mini !== 0);
  if (uneven)
    throw new BidoraError(
      "ADAPTER_CONFIG",
      `The outputs of ${uneven.path}, ${uneven.out}, are not a multiple of MiSS's mini rank, ${mini}: choose another one, or exclude it.`,
    );
}

const MINI = "mini";
const KEYS = peftKeys("MiSS_only", {
  rank: ["r", 64, z.int().min(1)],
  dropout: ["miss_dropout", 0, z.number().min(0).lt(1)],
  columns: ["mini_r", 1, z.int().min(1)],
  start: ["init_weights", true, z.union([z.boolean(), z.enum(["bat", MINI])])],
});

/** @throws BidoraError `ADAPTER_CONFIG` for what is malformed or not supported */
function parse(file: string, json: JsonObject): MissConfig {
  const { start, columns, ...settings } = KEYS.parse(file, json);
  const why =
    start === "bat"
      ? 'init_weights is "bat", a form of MiSS that multiplies the base weights, which is not supported: merge the adapter in PEFT with merge_and_unload() and use the merged model'
      : refusedLayers(json);
  if (why !== undefined) throw new BidoraError("ADAPTER_CONFIG", `${file}: ${why}.`);
  return missConfig({ ...settings, missMiniRank: start === MINI ? columns : undefined });
}

const OPTIONS = {
  ...pick(LOW_RANK_OPTIONS, "rank", "dropout", "targetModules"),
  missMiniRank: methodOption.rare(
    whole(1),
    "give --method miss this many columns, which are repeated for a layer's outputs and must divide them",
    { defaultText: "one for each output" },
  ),
};

export const miss: AdapterMethod<MissConfig, typeof OPTIONS> = {
  about: "a small matrix, repeated along the inputs",
  learningRate: 1e-3,
  options: OPTIONS,
  retunable: ["dropout"],
  config: missConfig,
  fromSettings: ({ rank, dropout, targetModules, missMiniRank }) => ({ rank, dropout, targetModules, missMiniRank }),
  toSettings: ({ rank, dropout, targetModules, missMiniRank }) => ({
    ...{ rank, dropout, targetModules },
    ...(missMiniRank !== undefined && { missMiniRank }),
  }),
  inLayers: {
    findSlots(model, config) {
      const slots = linearSlots(model, config, "MiSS goes to linear layers only, as in PEFT");
      refuseConv1D(slots, "MiSS");
      refuseSizes(slots, config);
      return slots;
    },
    tensors: (slot, { rank, missMiniRank }) => [zeros(BLOCK, [rank, missMiniRank ?? slot.out])],
    build: (slot, { dropout }, parameters) =>
      new LowRankLinear(new MissUpdate(slot, parameters.get(BLOCK)!, dropout), "miss_dropout"),
    facts: ({ rank }) => ({ rank }),
  },
  codec: {
    peftType: "MISS",
    defaults: { ...TARGET_KEY_DEFAULTS, ...KEYS.defaults },
    parse,
    render: ({ missMiniRank, ...config }) =>
      KEYS.render({ ...config, columns: missMiniRank ?? 1, start: missMiniRank === undefined ? true : MINI }),
    suffixes: [BLOCK],
  },
};

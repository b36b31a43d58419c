// Shapes: x [n, in], A [r, in], E [r, 1], B [out, r].

import { UsageError } from "../../../base/index.js";
import { type AppliesWhen, number, pick, whole } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import { lowRankLinear } from "../../../torch/operators/index.js";
import { Dropout, type ForwardContext, type Linear, type Parameter } from "../../nn/index.js";
import { Adapter } from "../adapter.js";
import { methodOption } from "../adapterConfig.js";
import { LOW_RANK_OPTIONS } from "../lowRankConfig.js";
import { type AdapterMethod, normal, zeros } from "../method.js";
import { linearSlots } from "../targets.js";
import {
  A,
  ADALORA_DEFAULTS,
  type AdaloraConfig,
  adaloraConfig,
  adaloraContradiction,
  adaloraScale,
  B,
  E,
  firstRank,
  parseAdaloraKeys,
  ranksOf,
  renderAdaloraKeys,
} from "./adaloraConfig.js";
import { RankAllocator } from "./rankAllocator.js";

/** AdaLoRA (arXiv 2303.10512): y = x·W0ᵀ + b + s·(x·(E ⊙ A)ᵀ)·Bᵀ, s = alpha / (first rank + 1e-5) as in PEFT. */
class AdaloraLinear extends Adapter {
  readonly #dropout: Dropout;

  constructor(
    private readonly a: Parameter,
    private readonly b: Parameter,
    private readonly e: Parameter,
    private readonly scale: number,
    dropout: number,
  ) {
    super();
    this.#dropout = this.child("lora_dropout", new Dropout(dropout));
  }

  get #ranks(): number {
    return this.a.shape[0]!;
  }

  /** 1 for a layer without ranks, since a LoRA has at least rank 1. */
  get rank(): number {
    return Math.max(1, this.#ranks);
  }

  get dtype(): torch.DType {
    return this.a.tensor.dtype;
  }

  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    if (this.#ranks === 0) return layer.base(x);
    const a = torch.mul(this.a.tensor, this.e.tensor);
    const branch = this.#dropout.forward(x, context);
    const factors = { a, b: this.b.tensor, scale: this.scale };
    const options = branch === x ? {} : { branch };
    return layer.apply(x, (operands) => lowRankLinear(x, operands, factors, options));
  }

  mergedWeight(layer: Linear, dtype: torch.DType): torch.Tensor {
    const [a, b, e] = [this.a, this.b, this.e].map(({ tensor }) => torch.castTo(tensor, dtype)) as [
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
    ];
    return torch.add(layer.weight.values.dense(dtype), torch.mm(b, torch.mul(a, e)), { alpha: this.scale });
  }
}

/** Standard deviation of A and B in a new adapter. */
const DEVIATION = 0.02;

/** Whether ranks are pruned at all. */
const withPruning: AppliesWhen = {
  only: "with --method adalora and an --adalora-init-rank above --rank",
  holds: ({ method, rank, adaloraInitRank = rank }: { method?: unknown; rank?: number; adaloraInitRank?: number }) =>
    method === "adalora" && adaloraInitRank! > rank!,
};

const OPTIONS = {
  ...pick(LOW_RANK_OPTIONS, "rank", "alpha", "dropout", "targetModules"),
  adaloraInitRank: methodOption.rare(
    whole(1),
    "rank that every layer starts with; pruning brings their mean down to --rank",
    { defaultText: "1.5 x rank, rounded up" },
  ),
  adaloraTinit: methodOption.rare(whole(0), "first steps without pruning", { default: 0, appliesWhen: withPruning }),
  adaloraTfinal: methodOption.rare(whole(0), "final steps without pruning", { default: 0, appliesWhen: withPruning }),
  adaloraDeltaT: methodOption.rare(whole(1), "steps between two prunings", { default: 1, appliesWhen: withPruning }),
  adaloraOrthogonalWeight: methodOption.rare(
    number({ least: 0 }),
    "weight of the penalty that keeps AdaLoRA's factors orthogonal",
    { default: 0.5 },
  ),
};
const SETTINGS = Object.keys(OPTIONS) as (keyof typeof OPTIONS)[];

/** The settings among all properties of a run or a configuration, which have the same names. */
function settingsIn<Values extends Pick<AdaloraConfig, Exclude<keyof typeof OPTIONS, "adaloraInitRank">>>(
  from: Values,
): Pick<Values, keyof typeof OPTIONS & keyof Values> {
  return Object.fromEntries(SETTINGS.map((key) => [key, from[key as keyof Values]])) as never;
}

export const adalora: AdapterMethod<AdaloraConfig, typeof OPTIONS> = {
  about: "a low-rank update whose ranks go where they matter",
  learningRate: 5e-3,
  options: OPTIONS,
  retunable: ["dropout", "adaloraTinit", "adaloraTfinal", "adaloraDeltaT", "adaloraOrthogonalWeight"],
  derived: ({ rank }) => ({ adaloraInitRank: firstRank(rank) }),
  check({ rank, adaloraInitRank = rank }) {
    if (adaloraInitRank >= rank) return;
    throw new UsageError(
      `--adalora-init-rank ${adaloraInitRank} is below --rank ${rank}: pruning takes ranks away and never adds any.`,
    );
  },
  config: adaloraConfig,
  fromSettings(settings) {
    const { adaloraInitRank, ...others } = settingsIn(settings);
    return { ...others, ...(adaloraInitRank !== undefined && { adaloraInitRank }) };
  },
  toSettings: settingsIn,
  inLayers: {
    findSlots: (model, config) => linearSlots(model, config, "AdaLoRA goes to linear layers only, as in PEFT"),
    tensors(slot, config) {
      const rank = ranksOf(config, slot.path);
      return [normal(A, [rank, slot.in], DEVIATION), normal(B, [slot.out, rank], DEVIATION), zeros(E, [rank, 1])];
    },
    build(_slot, config, parameters) {
      const [a, b, e] = [A, B, E].map((name) => parameters.get(name)) as [Parameter, Parameter, Parameter];
      return new AdaloraLinear(a, b, e, adaloraScale(config), config.dropout);
    },
    trainingHooks: (adapted) => new RankAllocator(adapted),
    facts: (config, path) => ({ rank: ranksOf(config, path), scale: adaloraScale(config) }),
  },
  codec: {
    peftType: "ADALORA",
    defaults: ADALORA_DEFAULTS,
    parse: parseAdaloraKeys,
    render: renderAdaloraKeys,
    suffixes: [A, B, E],
    contradiction: adaloraContradiction,
  },
};

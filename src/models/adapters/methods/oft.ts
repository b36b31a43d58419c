// Shapes: x [n, width], Q and R [k, b, b], the weight [k, b·(b − 1)/2]; k blocks of size b, or one that all share. The width is b times the
// number of blocks: in of a linear layer, dim of an embedding.

import { UsageError } from "../../../base/index.js";
import { type AppliesWhen, number, pick, toggle, whole } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import { DerivedTensor, Embedding, type ForwardContext, type Module, type Parameter } from "../../nn/index.js";
import type { AdaptedModule } from "../adapted.js";
import { Adapter, type Layer } from "../adapter.js";
import { methodOption } from "../adapterConfig.js";
import { LOW_RANK_OPTIONS } from "../lowRankConfig.js";
import { type AdapterMethod, normal, type TensorSpec, zeros } from "../method.js";
import { refuseConv1D, type Slot, targetSlots } from "../targets.js";
import {
  type Blocks,
  blocksOf,
  OFT_DEFAULTS,
  type OftConfig,
  oftConfig,
  parseOftKeys,
  renderOftKeys,
} from "./oftConfig.js";

/** Names of a layer's tensor in PEFT's files, after the layer's path. */
const NAMES = { linear: "oft_R.weight", embedding: "oft_embedding_R.weight" } as const;

/** The skew-symmetric matrices Q = −Qᵀ whose values above the diagonal are given, row by row. above: [k, b·(b − 1)/2] → [k, b, b] */
function skewSymmetric(above: torch.Tensor, places: torch.Tensor, size: number): torch.Tensor {
  const none = torch.zeros([above.shape[0]!, 1], { dtype: above.dtype, device: above.device });
  return torch.view(torch.indexSelect(torch.cat([above, torch.neg(above), none], 1), 1, places), [-1, size, size]);
}

/** Where each value of Q is among those above the diagonal, the negative ones and a zero. → [b·b] */
function skewPlaces(size: number): torch.Tensor {
  const half = (size * (size - 1)) / 2;
  const above = (row: number, column: number) => row * size - (row * (row + 1)) / 2 + column - row - 1;
  const places = Int32Array.from({ length: size * size }, (_, i) => {
    const [row, column] = [Math.floor(i / size), i % size];
    if (row === column) return 2 * half;
    return row < column ? above(row, column) : half + above(column, row);
  });
  return torch.tensor(places, [size * size]);
}

/**
 * R from Q, as PEFT: the Cayley transform (I − Q)·(I + Q)⁻¹, or the first terms of the series of its inverse,
 * (I + Q)·(I − Q)⁻¹ = I + 2Q + 2Q² + …, of which the last one counts once. Q: [k, b, b]
 */
function rotations(q: torch.Tensor, { oftCayleyNeumann, oftCayleyTerms }: OftConfig): torch.Tensor {
  const identity = torch.expand(torch.eye(q.shape[1]!, { dtype: q.dtype, device: q.device }), q.shape);
  if (!oftCayleyNeumann) return torch.linalgSolve(torch.add(identity, q), torch.sub(identity, q));
  let sum = torch.add(identity, q, { alpha: 2 });
  if (oftCayleyTerms === 2) return sum;
  let power = torch.matmul(q, q);
  sum = torch.add(sum, power, { alpha: 2 });
  for (let term = 4; term < oftCayleyTerms; term++) {
    power = torch.matmul(power, q);
    sum = torch.add(sum, power, { alpha: 2 });
  }
  return torch.add(sum, torch.matmul(power, q));
}

/** Rotates each row's blocks: x·diag(R₁, R₂, …). x: [n, width] → [n, width] */
function rotate(x: torch.Tensor, r: torch.Tensor): torch.Tensor {
  const [count, size] = r.shape as [number, number];
  if (count === 1) return torch.reshape(torch.matmul(torch.reshape(x, [-1, size]), torch.select(r, 0, 0)), x.shape);
  const blocks = torch.transpose(torch.view(x, [-1, count, size]), 0, 1); // k,n,b
  return torch.reshape(torch.transpose(torch.matmul(blocks, r), 0, 1), x.shape);
}

/**
 * OFT (arXiv 2306.07280, with the Cayley-Neumann series of OFTv2, arXiv 2506.19847): W0·Rᵀ with a block-diagonal orthogonal R. It rotates the
 * layer's input, y = (x·R)·W0ᵀ + b, so that no matrix of W0's size is made; an embedding's output.
 */
class OftAdapter extends Adapter {
  readonly rank: number;
  readonly #places: torch.Tensor;
  readonly #rotations = new DerivedTensor();

  constructor(
    slot: Slot,
    private readonly config: OftConfig,
    private readonly blocks: Blocks,
    private readonly weight: Parameter,
  ) {
    super();
    this.rank = Math.min(slot.in, slot.out);
    this.#places = torch.keep(torch.scope(() => torch.onDevice(skewPlaces(blocks.size), weight.tensor.device)));
    this.constrain();
  }

  protected override release(): void {
    this.#places.dispose();
    this.#rotations.dispose();
    super.release();
  }

  get dtype(): torch.DType {
    return this.weight.tensor.dtype;
  }

  forward(x: torch.Tensor, layer: Layer, context: ForwardContext): torch.Tensor {
    return layer instanceof Embedding ? this.#rotated(layer.base(x), context) : layer.base(this.#rotated(x, context));
  }

  /** As in PEFT, the product is computed in the dtype of the weight. */
  #rotated(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    return torch.castTo(rotate(torch.castTo(x, this.dtype), this.#rotationsFor(context)), x.dtype);
  }

  #rotationsFor(context: ForwardContext): torch.Tensor {
    const { tensor } = this.weight;
    if (!context.inference) return this.#compute(tensor);
    return this.#rotations.find([tensor]) ?? this.#rotations.make([tensor], () => this.#compute(tensor));
  }

  #compute(weight: torch.Tensor): torch.Tensor {
    return rotations(skewSymmetric(weight, this.#places, this.blocks.size), this.config);
  }

  /** Constrained OFT: shortens each Q to ‖Q‖ = ε / √k, as PEFT before each pass. */
  constrain(): void {
    const { tensor } = this.weight;
    if (!this.config.oftCoft) return;
    torch.noGrad(() =>
      torch.scope(() => {
        const limit = this.config.oftEps / Math.sqrt(tensor.shape[0]!);
        // each value is in Q twice
        const norms = torch.mulScalar(torch.linalgVectorNorm(tensor, 2, [1], true), Math.SQRT2);
        torch.copy_(tensor, torch.div(tensor, torch.clampMin(torch.divScalar(norms, limit), 1)));
      }),
    );
  }

  mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    const r = this.#compute(torch.castTo(this.weight.tensor, dtype));
    const weight = layer.weight.values.dense(dtype);
    return rotate(weight, layer instanceof Embedding ? r : torch.transpose(r, 1, 2));
  }
}

function constrainAll(modules: readonly AdaptedModule[]): void {
  for (const { adapter } of modules) if (adapter instanceof OftAdapter) adapter.constrain();
}

/** @throws BidoraError `ADAPTER_CONFIG` naming a Conv1D, and as `targetSlots` */
function oftSlots(model: Module, config: OftConfig): Slot[] {
  const slots = targetSlots(model, config);
  refuseConv1D(slots, "OFT");
  return slots;
}

/** Standard deviation in an adapter that starts with other values than zeros. */
const DEVIATION = 0.1;

function rotationTensor(slot: Slot, config: OftConfig): TensorSpec {
  const { count, size } = blocksOf(slot, config);
  const shape = [config.oftBlockShare ? 1 : count, (size * (size - 1)) / 2];
  return config.initWeights ? zeros(NAMES[slot.kind], shape) : normal(NAMES[slot.kind], shape, DEVIATION);
}

type Settings = { readonly method?: unknown; readonly oftCayleyNeumann?: boolean; readonly oftCoft?: boolean };

const withSeries: AppliesWhen = {
  only: "with --method oft, except --no-oft-cayley-neumann",
  holds: ({ method, oftCayleyNeumann }: Settings) => method === "oft" && oftCayleyNeumann !== false,
};

const withCoft: AppliesWhen = {
  only: "with --method oft --oft-coft",
  holds: ({ method, oftCoft }: Settings) => method === "oft" && oftCoft === true,
};

const OPTIONS = {
  ...pick(LOW_RANK_OPTIONS, "rank", "targetModules"),
  oftBlockShare: methodOption.rare(toggle, "give all blocks of a layer the same rotation", { default: false }),
  oftCayleyNeumann: methodOption.rare(toggle, "compute rotations by a series, not by solving linear systems", {
    default: true,
  }),
  oftCayleyTerms: methodOption.rare(whole(2), "terms of the series; more make rotations more nearly orthogonal", {
    default: 5,
    appliesWhen: withSeries,
  }),
  oftCoft: methodOption.rare(toggle, "keep rotations near the identity (constrained OFT)", { default: false }),
  oftEps: methodOption.rare(number({ above: 0 }), "how far constrained rotations may go", {
    default: 6e-5,
    appliesWhen: withCoft,
  }),
};

export const oft: AdapterMethod<OftConfig, typeof OPTIONS> = {
  about: "rotations of the inputs of layers, in blocks",
  learningRate: 1e-3,
  options: OPTIONS,
  retunable: [],
  check(settings) {
    const { upper } = settings as { readonly upper?: string };
    if (!settings.oftCoft || upper === undefined) return;
    throw new UsageError(
      `--oft-coft does not go with --upper ${upper}, whose hypergradient would need the derivative of the constraint: leave one of them out.`,
    );
  },
  config: oftConfig,
  fromSettings: ({ rank, targetModules, oftBlockShare, oftCayleyNeumann, oftCayleyTerms, oftCoft, oftEps }) => ({
    ...{ rank, targetModules, oftBlockShare, oftCayleyNeumann, oftCayleyTerms, oftCoft, oftEps },
  }),
  toSettings: ({ rank, targetModules, oftBlockShare, oftCayleyNeumann, oftCayleyTerms, oftCoft, oftEps }) => ({
    ...(rank > 0 && { rank }),
    ...{ targetModules, oftBlockShare, oftCayleyNeumann, oftCayleyTerms, oftCoft, oftEps },
  }),
  inLayers: {
    findSlots: oftSlots,
    tensors: (slot, config) => [rotationTensor(slot, config)],
    build: (slot, config, parameters) =>
      new OftAdapter(slot, config, blocksOf(slot, config), parameters.get(NAMES[slot.kind])!),
    trainingHooks: ({ config, modules }) => (config.oftCoft ? { afterStep: () => constrainAll(modules) } : {}),
    facts: () => ({}),
  },
  codec: {
    peftType: "OFT",
    defaults: OFT_DEFAULTS,
    parse: parseOftKeys,
    render: renderOftKeys,
    suffixes: Object.values(NAMES),
    contradiction(_config, tensors) {
      const old = [...tensors.keys()].find((name) => name.includes(".oft_r."));
      return old && `${old} is from a PEFT before 0.16.0, whose OFT was another one: train it again with a newer PEFT`;
    },
  },
};

// Shapes: x [n, in], A [r, in], B [out, r]; of an embedding: ids [n], table [vocab, dim], A [r, vocab], B [dim, r].
import * as z from "zod";
import { BidoraError } from "../../../base/index.js";
import type { JsonObject } from "../../../base/records/index.js";
import { pick } from "../../../base/settings/index.js";
import * as torch from "../../../torch/index.js";
import { checkpoint } from "../../../torch/operators/index.js";
import { Dropout, type Embedding, type ForwardContext, type Linear, type Parameter } from "../../nn/index.js";
import { Adapter, type Layer } from "../adapter.js";
import { TARGET_DEFAULTS, type TargetedConfig } from "../adapterConfig.js";
import { LOW_RANK_OPTIONS } from "../lowRankConfig.js";
import { type AdapterMethod, normal, type TensorSpec, uniform, zeros } from "../method.js";
import { peftKeys, refusedLayers, TARGET_KEY_DEFAULTS } from "../peft/targetKeys.js";
import { type Slot, targetSlots } from "../targets.js";

/** Settings of HiRA; meanings are PEFT's, which can't train biases, names those of a run's settings. */
export interface HiraConfig extends TargetedConfig {
  readonly method: "hira";
  readonly bias: "none";
  readonly rank: number;
  readonly dropout: number;
}

const hiraConfig = (options: Partial<HiraConfig>): HiraConfig => ({
  ...TARGET_DEFAULTS,
  rank: 8,
  dropout: 0,
  ...options,
  bias: "none",
  method: "hira",
});

/** The names of a layer's tensors in PEFT's files, after the layer's path. */
const NAMES = {
  linear: { a: "hira_A", b: "hira_B" },
  embedding: { a: "hira_embedding_A", b: "hira_embedding_B" },
} as const;

/** The base class for both kinds of layers. */
abstract class HiraAdapter extends Adapter {
  readonly rank: number;

  constructor(
    { in: inputs, out }: Slot,
    protected readonly a: Parameter,
    protected readonly b: Parameter,
  ) {
    super();
    this.rank = Math.min(inputs, out);
  }

  get dtype(): torch.DType {
    return this.b.tensor.dtype;
  }

  /** W0 + W0 ⊙ (B·A) */
  mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    const weight = layer.weight.values.dense(dtype);
    const product = torch.mm(torch.castTo(this.b.tensor, dtype), torch.castTo(this.a.tensor, dtype));
    return torch.addcmul(weight, weight, this.turned(product));
  }

  /** B·A, [out, in], shaped as the layer's weight. */
  protected abstract turned(product: torch.Tensor): torch.Tensor;
}

/** The elements of the weight that are computed with at a time: 4 MiB in float32. */
const TILE = 2 ** 20;

/**
 * HiRA (openreview.net/forum?id=TwJrTz9cRS): y = x·W0ᵀ + b + x·(W0 ⊙ (B·A))ᵀ. The change has W0's size, so it is computed for some rows of W0
 * at a time, and again in the backward pass: neither it nor a decoded W0 is kept.
 */
class HiraLinear extends HiraAdapter {
  readonly #dropout: Dropout;
  readonly #tileRows: number;

  constructor(slot: Slot, a: Parameter, b: Parameter, dropout: number) {
    super(slot, a, b);
    this.#dropout = this.child("hira_dropout", new Dropout(dropout));
    this.#tileRows = Math.max(1, Math.floor(TILE / slot.in));
  }

  protected turned(product: torch.Tensor): torch.Tensor {
    return product;
  }

  forward(x: torch.Tensor, layer: Linear, context: ForwardContext): torch.Tensor {
    return torch.add(layer.base(x), this.#change(this.#dropout.forward(x, context), layer));
  }

  override get followsLayer(): boolean {
    return true;
  }

  override afterLayer(base: torch.Tensor, x: torch.Tensor, layer: Linear): torch.Tensor {
    return torch.add(base, this.#change(x, layer));
  }

  /** x·(W0 ⊙ (B·A))ᵀ, [n, out] */
  #change(x: torch.Tensor, layer: Linear): torch.Tensor {
    const tiles: torch.Tensor[] = [];
    for (let start = 0; start < layer.outFeatures; start += this.#tileRows) {
      const rows = Math.min(this.#tileRows, layer.outFeatures - start);
      tiles.push(checkpoint(() => this.#tile(x, layer, start, rows)));
    }
    return tiles.length === 1 ? tiles[0]! : torch.cat(tiles, 1);
  }

  #tile(x: torch.Tensor, layer: Linear, start: number, rows: number): torch.Tensor {
    const product = torch.mm(torch.narrow(this.b.tensor, 0, start, rows), this.a.tensor); // rows,in
    const weight = torch.castTo(layer.weight.values.slice(start, rows), this.dtype);
    return torch.linear(x, torch.castTo(torch.mul(product, weight), x.dtype));
  }
}

/** HiRA of an embedding: rows of table ⊙ (1 + (B·A)ᵀ). */
class HiraEmbedding extends HiraAdapter {
  protected turned(product: torch.Tensor): torch.Tensor {
    return torch.t(product);
  }

  forward(ids: torch.Tensor, layer: Embedding, _context: ForwardContext): torch.Tensor {
    const base = layer.base(ids);
    const factors = torch.linear(torch.embedding(torch.t(this.a.tensor), ids), this.b.tensor); // n,dim
    return torch.addcmul(base, base, torch.castTo(factors, base.dtype));
  }
}

/** The update starts at zero. As in PEFT, a linear layer has a random A and a zero B, an embedding the opposite. */
function tensorsOf(slot: Slot, { rank }: HiraConfig): TensorSpec[] {
  const { a, b } = NAMES[slot.kind];
  const [ofA, ofB] = [[rank, slot.in] as const, [slot.out, rank] as const];
  if (slot.kind === "embedding") return [zeros(a, ofA), normal(b, ofB, 1)];
  // Uniform in ±1/√in is Kaiming's initialization with a = √5.
  return [uniform(a, ofA, 1 / Math.sqrt(slot.in)), zeros(b, ofB)];
}

const KEYS = peftKeys("none", {
  rank: ["r", 32, z.int().min(1)],
  dropout: ["hira_dropout", 0, z.number().min(0).lt(1)],
});

/** @throws BidoraError `ADAPTER_CONFIG` for what is malformed or not supported */
function parse(file: string, json: JsonObject): HiraConfig {
  const why = refusedLayers(json);
  if (why !== undefined) throw new BidoraError("ADAPTER_CONFIG", `${file}: ${why}.`);
  return hiraConfig({ ...KEYS.parse(file, { bias: "none", ...json }), bias: "none" });
}

const { bias: _none, ...TARGETS } = TARGET_KEY_DEFAULTS;
const OPTIONS = pick(LOW_RANK_OPTIONS, "rank", "dropout", "targetModules");

export const hira: AdapterMethod<HiraConfig, typeof OPTIONS> = {
  about: "the weight times a low-rank matrix, element by element",
  learningRate: 1e-2,
  options: OPTIONS,
  retunable: ["dropout"],
  config: hiraConfig,
  fromSettings: ({ rank, dropout, targetModules }) => ({ rank, dropout, targetModules }),
  toSettings: ({ rank, dropout, targetModules }) => ({ rank, dropout, targetModules }),
  inLayers: {
    findSlots: targetSlots,
    tensors: tensorsOf,
    build(slot, { dropout }, parameters) {
      const { a, b } = NAMES[slot.kind];
      const [ofA, ofB] = [parameters.get(a)!, parameters.get(b)!];
      return slot.kind === "linear" ? new HiraLinear(slot, ofA, ofB, dropout) : new HiraEmbedding(slot, ofA, ofB);
    },
    facts: ({ rank }) => ({ rank }),
  },
  codec: {
    peftType: "HIRA",
    // PEFT ignores rank_pattern: it gives every layer the rank r (0.20 to 0.21, hira/layer.py, dispatch_default).
    defaults: { ...TARGETS, ...KEYS.defaults, fan_in_fan_out: false, init_weights: true, rank_pattern: {} },
    parse,
    render(config) {
      const { bias: _none, ...keys } = KEYS.render(config);
      return keys;
    },
    suffixes: Object.values(NAMES).flatMap(({ a, b }) => [a, b]),
  },
};

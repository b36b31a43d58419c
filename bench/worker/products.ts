// Shapes: n tokens, B rows, L their length, h heads, d size of a head.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "../../src/torch/index.js";
import type { OwnSpec } from "../protocol.js";
import type { Work } from "./work.js";

interface Sizes {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
  readonly num_attention_heads: number;
}

/** One product; linear layers multiply by the transposed weight, as torch.linear does. */
type Product = () => void;

/**
 * The matrix products of a LoRA step and nothing else, in the shapes and the type that the step has them in: the linear
 * layers' forward and the gradient of their input (weights are frozen), attention's two and the four of its backward pass,
 * and those of the low-rank branches. The first layer's input needs no gradient; past the last attention there are only the
 * rows' first tokens. Heads are left out.
 */
export async function products(spec: OwnSpec): Promise<Work> {
  if (!("shape" in spec)) throw new Error("Products need a shape.");
  const sizes = JSON.parse(readFileSync(join(spec.model, "config.json"), "utf8")) as Sizes;
  const list = torch.noGrad(() => new ProductList(spec, sizes).all());
  return () =>
    torch.noGrad(() => {
      for (const product of list) torch.scope(product);
    });
}

class ProductList {
  readonly #tokens: number;
  readonly #rows: number;
  readonly #length: number;

  constructor(
    readonly spec: OwnSpec,
    readonly sizes: Sizes,
  ) {
    if (!("shape" in spec)) throw new Error("Products need a shape.");
    this.#rows = spec.shape.rows;
    this.#length = spec.shape.length;
    this.#tokens = this.#rows * this.#length;
  }

  all(): Product[] {
    const layers = this.sizes.num_hidden_layers;
    return Array.from({ length: layers }, (_, i) => this.#layer(i === 0, i === layers - 1)).flat();
  }

  #layer(isFirst: boolean, isLast: boolean): Product[] {
    const { hidden_size: hidden, intermediate_size: inner } = this.sizes;
    const everywhere = this.spec.targets === "all-linear";
    const kept = isLast ? this.#rows : this.#tokens;
    const projections = [true, everywhere, true].flatMap((adapted) =>
      this.#linear(this.#tokens, hidden, hidden, { adapted, inputGradient: !isFirst }),
    );
    const rest = [
      [hidden, hidden],
      [hidden, inner],
      [inner, hidden],
    ] as const;
    return [
      ...projections,
      ...this.#attention(),
      ...rest.flatMap(([from, to]) => this.#linear(kept, from, to, { adapted: everywhere, inputGradient: true })),
    ];
  }

  #linear(
    n: number,
    from: number,
    to: number,
    { adapted, inputGradient }: { adapted: boolean; inputGradient: boolean },
  ): Product[] {
    const [x, y, w] = [this.#random(n, from), this.#random(n, to), this.#random(to, from)];
    const list: Product[] = [() => torch.linear(x, w)];
    if (inputGradient) list.push(() => torch.mm(y, w));
    return adapted ? [...list, ...this.#lowRank(x, y, inputGradient)] : list;
  }

  /** x·Aᵀ and ·Bᵀ; the gradients of B, of the reduced input, of A, and of x. */
  #lowRank(x: torch.Tensor, y: torch.Tensor, inputGradient: boolean): Product[] {
    const [n, from] = x.shape as [number, number];
    const [a, b, reduced] = [
      this.#random(this.spec.rank, from),
      this.#random(y.shape[1] as number, this.spec.rank),
      this.#random(n, this.spec.rank),
    ];
    const list: Product[] = [
      () => torch.linear(x, a),
      () => torch.linear(reduced, b),
      () => torch.mm(torch.t(y), reduced),
      () => torch.mm(y, b),
      () => torch.mm(torch.t(reduced), x),
    ];
    if (inputGradient) list.push(() => torch.mm(reduced, a));
    return list;
  }

  #attention(): Product[] {
    const { hidden_size: hidden, num_attention_heads: heads } = this.sizes;
    const batch = this.#rows * heads;
    const [q, scores] = [
      this.#random(batch, this.#length, hidden / heads),
      this.#random(batch, this.#length, this.#length),
    ];
    const transposed = (x: torch.Tensor) => torch.transpose(x, 1, 2);
    return [
      () => torch.matmul(q, transposed(q)), // Q·Kᵀ
      () => torch.matmul(scores, q), // P·V
      () => torch.matmul(transposed(scores), q), // gradient of V
      () => torch.matmul(q, transposed(q)), // of P
      () => torch.matmul(scores, q), // of Q
      () => torch.matmul(transposed(scores), q), // of K
    ];
  }

  #random(...shape: number[]): torch.Tensor {
    const dtype = this.spec.precision;
    return torch.keep(torch.to(torch.normal_(torch.empty(shape), 0, 1, { generator: new torch.Generator(0) }), dtype));
  }
}

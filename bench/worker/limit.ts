// Shapes: n tokens of a batch; y = x·Wᵀ with W [out, in], and g·W for the gradient of x.
import { readFileSync } from "node:fs";
import { join } from "node:path";
import * as torch from "../../src/torch/index.js";
import { bestOf, type Cell, gigaflops, timeWays } from "../products/cell.js";
import { random } from "../products/random.js";
import { releaseResult, type TimingOptions } from "../products/turns.js";
import { DIRECTIONS, type Direction, WAYS, type Way } from "../products/ways.js";
import type { OwnSpec } from "../turns/protocol.js";
import type { Prepared } from "./work.js";

/** Long enough to distinguish the ways. */
const TIMING: TimingOptions = { turns: 5, seconds: 0.3, clock: "wall" };

interface Sizes {
  readonly hidden_size: number;
  readonly intermediate_size: number;
  readonly num_hidden_layers: number;
}

/**
 * Only the frozen products of a training step, in its shapes and dtype, each in the way that is fastest on this machine: the linear
 * layers' forward pass, and the gradient of their input where one is needed. The first layer's input needs none, and after the last
 * attention only the rows' first tokens are left. Query, key and value are fused where that is faster. Biases, low-rank branches,
 * attention and heads, which a step also has, are left out.
 */
export function limit(spec: OwnSpec): Prepared {
  if (!("shape" in spec)) throw new Error("The limit needs a shape.");
  const { hidden_size, intermediate_size, num_hidden_layers } = JSON.parse(
    readFileSync(join(spec.model, "config.json"), "utf8"),
  ) as Sizes;
  const { rows, length } = spec.shape;
  const products = new FastestProducts(spec.precision);
  const calls = Array.from({ length: num_hidden_layers }, (_, i) => {
    const ends = { isFirst: i === 0, kept: i === num_hidden_layers - 1 ? rows : rows * length };
    return layerProducts(products, { hidden: hidden_size, inner: intermediate_size, tokens: rows * length, ...ends });
  }).flat();
  return { work: () => torch.noGrad(() => calls.forEach(releaseResult)), facts: products.facts() };
}

interface LayerShape {
  readonly hidden: number;
  readonly inner: number;
  readonly tokens: number;
  /** Tokens that are kept after attention. */
  readonly kept: number;
  readonly isFirst: boolean;
}

function layerProducts(products: FastestProducts, { hidden, inner, tokens, kept, isFirst }: LayerShape): Call[] {
  return DIRECTIONS.flatMap((direction) => [
    ...(isFirst && direction === "input gradient" ? [] : projections(products, hidden, tokens, direction)),
    products.call(hidden, hidden, kept, direction),
    products.call(hidden, inner, kept, direction),
    products.call(inner, hidden, kept, direction),
  ]);
}

/** The query, key and value projections, fused or separate, whichever is faster. */
function projections(products: FastestProducts, hidden: number, tokens: number, direction: Direction): Call[] {
  const apart = 3 * products.seconds(hidden, hidden, tokens, direction);
  if (products.seconds(hidden, 3 * hidden, tokens, direction) < apart)
    return [products.call(hidden, 3 * hidden, tokens, direction)];
  return Array.from({ length: 3 }, () => products.call(hidden, hidden, tokens, direction));
}

type Call = () => unknown;
type Best = { readonly cell: Cell; readonly way: Way; readonly seconds: number };

/** Finds the fastest way for each product once, and creates calls that use it. */
class FastestProducts {
  readonly #best = new Map<string, Best>();
  readonly #inputs = new Map<string, torch.Tensor>();
  readonly #used = new Set<Best>();

  constructor(readonly dtype: Cell["dtype"]) {}

  seconds(from: number, to: number, rows: number, direction: Direction): number {
    return this.#find(from, to, rows, direction).seconds;
  }

  /** One product with its own weight. */
  call(from: number, to: number, rows: number, direction: Direction): Call {
    const best = this.#find(from, to, rows, direction);
    this.#used.add(best);
    const multiply = torch.noGrad(() => best.way.prepare(random([to, from], this.dtype), direction, rows));
    const x = this.#input(rows, direction === "forward" ? from : to);
    return () => multiply(x);
  }

  /** For each product, the chosen way, and its rate when it was chosen. */
  facts(): Record<string, string> {
    const entries = [...this.#used].map(({ cell, way, seconds }) => {
      const { from, to, rows, direction } = cell;
      return [
        `${from} → ${to}, n ${rows}, ${direction}`,
        `${way.name}, ${gigaflops(cell, seconds).toFixed(0)} GFLOP/s`,
      ];
    });
    return Object.fromEntries(entries);
  }

  #find(from: number, to: number, rows: number, direction: Direction): Best {
    const cell = { from, to, rows, direction, dtype: this.dtype };
    const key = JSON.stringify(cell);
    const found = this.#best.get(key) ?? { cell, ...bestOf(timeWays(cell, WAYS, TIMING)) };
    this.#best.set(key, found);
    return found;
  }

  #input(rows: number, columns: number): torch.Tensor {
    const key = `${rows} ${columns}`;
    const x = this.#inputs.get(key) ?? random([rows, columns], this.dtype);
    this.#inputs.set(key, x);
    return x;
  }
}

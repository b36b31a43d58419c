import * as torch from "../../src/torch/index.js";
import { random } from "./random.js";
import { FEW_ROWS, type WeightShape } from "./shapes.js";
import { leastSeconds, type TimingOptions } from "./turns.js";
import type { Direction, Way } from "./ways.js";

/** One product: rows times a weight of a given shape, forward or backward. */
export interface Cell extends WeightShape {
  readonly rows: number;
  readonly dtype: "float32" | "bfloat16";
  readonly direction: Direction;
}

/** More bytes than the caches hold. */
const COLD_BYTES = 128 * 2 ** 20;

const bytesOf = ({ from, to, dtype }: Cell) => from * to * (dtype === "float32" ? 4 : 2);

/** The number of weights that calls cycle through. In generation each weight is cold: a model's others have evicted it from the caches. */
const weightsOf = (cell: Cell) => (cell.rows > FEW_ROWS ? 1 : Math.ceil(COLD_BYTES / bytesOf(cell)));

/** Calls the functions in turn. */
function inTurns<In, Out>(functions: readonly ((given: In) => Out)[]): (given: In) => Out {
  let turn = 0;
  return (given) => (functions[turn++ % functions.length] as (given: In) => Out)(given);
}

/** The minimum seconds of one product, for each way that applies. */
export function timeWays(cell: Cell, ways: readonly Way[], timing: TimingOptions): Map<Way, number> {
  const { from, to, rows, dtype, direction } = cell;
  const fitting = ways.filter((way) => way.fits(rows));
  return torch.scope(() => {
    const weights = Array.from({ length: weightsOf(cell) }, () => random([to, from], dtype));
    const x = random([rows, direction === "forward" ? from : to], dtype);
    const calls = fitting.map((way) => {
      const multiply = torch.noGrad(() => inTurns(weights.map((weight) => way.prepare(weight, direction, rows))));
      return () => multiply(x);
    });
    checkAgreement(fitting, calls);
    const seconds = leastSeconds(calls, timing);
    return new Map(fitting.map((way, i) => [way, seconds[i] as number]));
  });
}

/** The largest allowed difference between two ways' results, relative to the largest value: above bfloat16's rounding. */
const TOLERANCE = 0.02;

/** @throws Error if a way's result differs from the first one's */
function checkAgreement(ways: readonly Way[], calls: readonly (() => torch.Tensor)[]): void {
  torch.noGrad(() =>
    torch.scope(() => {
      const resultOf = (call: () => torch.Tensor) => torch.to(call(), "float32");
      const largest = (values: torch.Tensor) => torch.max(torch.abs(values)).item();
      const [first, ...others] = calls.map(resultOf);
      if (!first) return;
      for (const [i, other] of others.entries()) {
        const difference = largest(torch.sub(other, first)) / largest(first);
        if (!(difference <= TOLERANCE))
          throw new Error(`"${ways[i + 1]?.name}" differs from "${ways[0]?.name}" by ${difference.toFixed(3)}.`);
      }
    }),
  );
}

/** The fastest way. */
export function bestOf(seconds: ReadonlyMap<Way, number>): { readonly way: Way; readonly seconds: number } {
  const [best] = [...seconds].sort(([, a], [, b]) => a - b);
  if (!best) throw new RangeError("No way applies to this product.");
  return { way: best[0], seconds: best[1] };
}

export function gigaflops({ from, to, rows }: Cell, seconds: number): number {
  return (2 * rows * from * to) / seconds / 1e9;
}

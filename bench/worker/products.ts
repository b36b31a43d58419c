import { Linear, PackedWeight, WEIGHT_FORMATS } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { packedRandom } from "../products/packedRandom.js";
import { random } from "../products/random.js";
import { releaseResult } from "../products/turns.js";
import type { ProductSpec } from "../turns/protocol.js";
import type { Prepared } from "./work.js";

/** Products with frozen matrices, dense or packed, as the program computes them: few rows as in generation. */
export function products({ format, from, to, counts, bytes }: ProductSpec): Prepared {
  const make = layers(format, [to, from]);
  const first = make();
  const bytesEach = first.weight.values.bytes;
  const others = Array.from({ length: Math.ceil(bytes / bytesEach) - 1 }, make);
  const cycle = [first, ...others];
  const inputs = counts.map(({ rows }) => random([rows, from], "bfloat16"));
  let [turn, next] = [0, 0];
  const multiply = (x: torch.Tensor) => releaseResult(() => (cycle[next++ % cycle.length] as Linear).base(x));
  const generating = (x: torch.Tensor) => torch.withIntegerProducts(() => multiply(x));
  const work = () => {
    const i = turn++ % counts.length;
    const x = inputs[i] as torch.Tensor;
    torch.noGrad(() => {
      for (let product = 0; product < (counts[i]?.products ?? 0); product++) generating(x);
    });
  };
  return { work, facts: { bytes: bytesEach, matrices: cycle.length } };
}

/** Makes layers that have the same values, each in memory of its own. */
function layers(format: string, shape: readonly [number, number]): () => Linear {
  const [to, from] = shape;
  const layer = () => new Linear(from, to, { bias: false });
  const found = WEIGHT_FORMATS.get(format);
  if (!found) {
    const values = random(shape, "bfloat16");
    return () => {
      const dense = layer();
      dense.weight.fill(torch.clone(values));
      return dense;
    };
  }
  const parts = packedRandom(shape, found);
  return () => {
    const packed = layer();
    const own = parts.map((part) => torch.clone(part));
    packed.weight.swapValues(new PackedWeight(found, shape, "bfloat16", own, found.block));
    return packed;
  };
}

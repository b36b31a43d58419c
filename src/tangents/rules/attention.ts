// Attention over flat tokens, as its formula says. Shapes: q [N, H·D], k and v [M, G·D].
import { attendPlainly } from "../../nn/plainAttention.js";
import type * as torch from "../../torch/index.js";
import { byFormula } from "./formula.js";

const [HEADS, KV_HEADS, SCALE, BEFORE, AFTER, P, SEED, STREAM] = [5, 6, 7, 8, 9, 10, 11, 12];

export const attention = byFormula((state, [q, k, v, queryStarts, keyStarts]) => {
  const number = (index: number) => Number(state.argument(index));
  const limit = (index: number) => (state.argument(index) === null ? null : number(index));
  const p = number(P);
  const drawn = p > 0 ? { seed: number(SEED), stream: number(STREAM) } : undefined;
  const options = {
    heads: number(HEADS),
    kvHeads: number(KV_HEADS),
    scale: number(SCALE),
    limits: { before: limit(BEFORE), after: limit(AFTER) },
    layout: layoutOf(queryStarts as torch.Tensor),
    keyLayout: layoutOf(keyStarts as torch.Tensor),
    dropout: { p },
  };
  const result = attendPlainly(q as torch.Tensor, k as torch.Tensor, v as torch.Tensor, options as never, drawn);
  return [result];
});

function layoutOf(starts: torch.Tensor) {
  const numbers = starts.toArray();
  return {
    lengths: numbers.slice(1).map((end, i) => end - (numbers[i] as number)),
    cuSeqlens: starts,
    first: starts,
  };
}

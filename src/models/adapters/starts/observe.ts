// Passes over a model without adapters, in which layers show their inputs, or the gradients of their outputs as well.

import * as torch from "../../../torch/index.js";
import type { Linear } from "../../nn/index.js";
import { Adapter, type Layer } from "../adapter.js";
import type { Slot } from "../targets.js";

/** Stands in an adapter's place and changes nothing. */
class Observer extends Adapter {
  readonly rank = 0;
  readonly dtype = "float32";

  constructor(private readonly see: (x: torch.Tensor, layer: Linear) => torch.Tensor) {
    super();
  }

  forward(x: torch.Tensor, layer: Layer): torch.Tensor {
    return this.see(x, layer as Linear);
  }

  mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    return layer.weight.values.dense(dtype);
  }
}

/**
 * Runs passes while layers are observed.
 * @param see gets a layer's input, [tokens, in], and gives its output, [tokens, out]
 */
export function observing<T>(
  slots: readonly Slot[],
  see: (slot: Slot, x: torch.Tensor, layer: Linear) => torch.Tensor,
  passes: () => T,
): T {
  for (const slot of slots) slot.layer.setAdapter(new Observer((x, layer) => see(slot, x, layer)));
  try {
    return passes();
  } finally {
    for (const { layer } of slots) layer.setAdapter(undefined);
  }
}

/** The most bytes that are kept at a time of what layers show. */
const MOST_BYTES = 2 ** 30;

/** Layers by turns, as many at a time as take no more than a gibibyte, and at least one. */
export function inTurns(slots: readonly Slot[], bytesOf: (slot: Slot) => number, most = MOST_BYTES): Slot[][] {
  const turns: Slot[][] = [];
  let room = 0;
  for (const slot of slots) {
    const bytes = bytesOf(slot);
    if (turns.length > 0 && bytes <= room) turns.at(-1)!.push(slot);
    else {
      turns.push([slot]);
      room = most;
    }
    room -= bytes;
  }
  return turns;
}

/** The signs by which the largest element of each row is positive, [rows, 1]. matrix: [rows, columns] */
export function signsOfLargest(matrix: torch.Tensor): torch.Tensor {
  const isNegative = torch.gtScalar(torch.sub(torch.amax(torch.neg(matrix), [1]), torch.amax(matrix, [1])), 0);
  return torch.unsqueeze(torch.maskedFill(torch.onesLike(torch.select(matrix, 1, 0)), isNegative, -1), 1);
}

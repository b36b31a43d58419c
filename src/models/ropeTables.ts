// Shapes: N tokens of all rows, R how many numbers of a head are turned.
import { type RotaryTables, rotaryTables } from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { LayerType } from "./decoderConfig.js";
import type { ModelInput } from "./input.js";
import type { Rope } from "./ropeScalings.js";

/** The tables of each kind of layer, made once where kinds share a rope. */
export function ropeTables(
  ropes: Readonly<Record<LayerType, Rope>>,
  input: ModelInput,
  dtype: torch.DType,
): Readonly<Record<LayerType, RotaryTables>> {
  const full = tablesOf(ropes.full_attention, input, dtype);
  const isShared = ropes.sliding_attention === ropes.full_attention;
  return { full_attention: full, sliding_attention: isShared ? full : tablesOf(ropes.sliding_attention, input, dtype) };
}

function tablesOf(rope: Rope, { positionIds, layout, cache }: ModelInput, dtype: torch.DType): RotaryTables {
  const lengths = layout.lengths.map((length, row) => length + (cache?.lengths[row] ?? 0));
  const byRow = lengths.map((length) => rope.frequencies(length));
  return torch.noGrad(() => rotaryTables(positionIds, frequenciesOf(byRow, layout.lengths), rope.factor, dtype));
}

/** [R / 2] where all rows have the same, else [N, R / 2]. */
function frequenciesOf(byRow: readonly Float32Array[], lengths: readonly number[]): torch.Tensor {
  const [first] = byRow as [Float32Array];
  if (byRow.every((frequencies) => frequencies === first)) return torch.tensor(first);
  const parts = byRow.map((frequencies, row) => torch.expand(torch.tensor(frequencies), [lengths[row] as number, -1]));
  return torch.cat(parts, 0);
}

/** A frozen weight, [out, in]: y = x·Wᵀ. */
export interface WeightShape {
  readonly from: number;
  readonly to: number;
  /** Output sizes of the weights that this one fuses, if it is several. */
  readonly parts?: readonly number[];
}

/** The most rows that a generation step has. */
export const FEW_ROWS = 16;

// Rows of numbers in int8: a number is code · scale, with a scale for each row and head, its largest magnitude / 127.
// Shapes: N rows, G heads, head size D, W = G·D.
import * as torch from "../../index.js";

/** Codes [N, W] int8 and scales [N, G] float32. */
export interface Int8Rows {
  readonly codes: torch.Tensor;
  readonly scales: torch.Tensor;
}

const MOST_CODE = 127;
/** A head whose numbers are all smaller is 0. */
const LEAST_MAGNITUDE = 1e-30;

/** Rounds rows [N, W]. Where a head's numbers are not all finite, none that is decoded is. */
export function encodeInt8Rows(rows: torch.Tensor, heads: number): Int8Rows {
  const split = torch.castTo(torch.reshape(rows, [rows.shape[0] as number, heads, -1]), "float32");
  const largest = torch.amax(torch.abs(split), [-1], true);
  const isSmall = torch.ltScalar(largest, LEAST_MAGNITUDE);
  const scales = torch.maskedFill(torch.divScalar(largest, MOST_CODE), isSmall, 0);
  const codes = torch.round(torch.maskedFill(torch.div(split, scales), isSmall, 0));
  return { codes: torch.reshape(torch.to(codes, "int8"), rows.shape), scales: torch.squeeze(scales, -1) };
}

/** @returns [N, W] */
export function decodeRows({ codes, scales }: Int8Rows, dtype: torch.DType): torch.Tensor {
  const split = torch.castTo(torch.reshape(codes, [...scales.shape, -1]), "float32");
  return torch.castTo(torch.reshape(torch.mul(split, torch.unsqueeze(scales, -1)), codes.shape), dtype);
}

/**
 * Rows of a table in 4 bits, unpacked by ONNX's own operators from the bytes that `MatMulNBits` takes. ONNX Runtime's `GatherBlockQuantized`
 * takes these bytes only since 1.22, later than what transformers.js 3 has in Node, and transformers.js 4 lacks it in browsers without WebGPU.
 */
import * as torch from "../../../../torch/index.js";
import { ELEMENT_TYPES, type Initializer } from "../graph/graph.js";
import { fromHalf } from "./half.js";
import { BLOCK, blocksOf, type ScaleType, toInt4Blocks, ZERO } from "./int4Blocks.js";
import { heldFor, type LookupCall, type Rewriter } from "./rewrite.js";

export interface Int4Constants {
  /** uint8 [rows, blocks, 16] */
  readonly codes: string;
  /** [rows, blocks] */
  readonly scales: string;
}

/** The constants of a matrix [rows, columns], the same for all who use it. */
export function int4Constants({ name, shape, tensor }: Initializer, dtype: ScaleType, to: Rewriter): Int4Constants {
  const [rows = 0, columns = 0] = shape;
  const ofScales = [rows, blocksOf(columns)];
  const ofCodes = [...ofScales, BLOCK / 2];
  const made = heldFor(2, () => toInt4Blocks(tensor(), dtype));
  return {
    codes: to.constant(`${name}.int4`, "uint8", ofCodes, () => torch.tensor(made().codes, ofCodes)),
    scales: to.constant(`${name}.scale`, dtype, ofScales, () =>
      torch.castTo(torch.tensor(made().scales, ofScales), dtype),
    ),
  };
}

/** Rows of a table in float32. input: ids [b, s] → [b, s, width] */
export function int4Lookup({ input, table, output }: LookupCall, dtype: ScaleType, to: Rewriter): void {
  const [, width = 0] = table.shape;
  const filled = blocksOf(width) * BLOCK;
  const name = (part: string) => `${output}.${part}`;
  const { codes, scales } = int4Constants(table, dtype, to);
  const product = to.add(
    "Mul",
    [codesOf(input, codes, name, to), scalesOf(input, scales, dtype, name, to)],
    name("blocks"),
  );
  const shape = integers([0, 0, filled], to);
  if (filled === width) to.add("Reshape", [product, shape], output);
  else {
    const rows = to.add("Reshape", [product, shape], name("filled"));
    to.add("Slice", [rows, integers([0], to), integers([width], to), integers([2], to)], output);
  }
}

/** @returns [b, s, blocks, 16, 2] float32 */
function codesOf(ids: string, codes: string, name: (part: string) => string, to: Rewriter): string {
  const bytes = to.add("Gather", [codes, ids], name("int4")); // [b, s, blocks, 16]
  const indices = to.add("Cast", [bytes], name("int32"), { to: { int: ELEMENT_TYPES.int32 } });
  return to.add("Gather", [pairsOfBytes(to), indices], name("pairs"));
}

/**
 * The ids get a shape of their own: the WebGPU backend of transformers.js 3 uploads a tensor before commands that wait to run, so that ids of
 * the positions' shape, for which ONNX Runtime takes the positions' buffer, would be looked up as positions.
 * @returns [b, s, blocks, 1, 1] float32
 */
function scalesOf(ids: string, scales: string, dtype: ScaleType, name: (part: string) => string, to: Rewriter): string {
  const column = to.add("Unsqueeze", [ids, integers([2], to)], name("ids")); // [b, s, 1]
  const own = to.add("Gather", [scales, column], name("own_scale")); // [b, s, 1, blocks]
  const scale = dtype === "float16" ? fromHalf(own, name("float32_scale"), to) : own;
  return to.add("Reshape", [scale, integers([0, 0, -1, 1, 1], to)], name("scale"));
}

/** The values of the two codes in each byte, low bits first. @returns [256, 2] float32 */
function pairsOfBytes(to: Rewriter): string {
  const values = Array.from({ length: 256 }, (_, byte) => [(byte & 15) - ZERO, (byte >> 4) - ZERO]);
  return to.constant("int4.pairs", "float32", [256, 2], () => torch.tensor(values.flat(), [256, 2]));
}

const integers = (values: readonly number[], to: Rewriter): string =>
  to.constant(`int4.[${values}]`, "int64", [values.length], () => torch.tensor(values, [values.length], "int64"));

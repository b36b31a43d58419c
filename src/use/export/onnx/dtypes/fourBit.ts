/**
 * 4 bits: linear layers and the table of the vocabulary in blocks of 32 elements with a scale each. ONNX Runtime's `MatMulNBits` multiplies
 * them; rows of the table are unpacked by ONNX's own operators, so that a table tied to the output is in the file once. (ONNX Runtime's
 * `GatherBlockQuantized` takes such bytes only since 1.22.) Other tables are float32, or float16 with `fourBitHalf`, which also multiplies in
 * float16. The graph's inputs and outputs stay float32.
 */
import * as torch from "../../../../torch/index.js";
import { ELEMENT_TYPES, type Initializer } from "../graph/graph.js";
import type { Arithmetic } from "./emulation.js";
import { fromHalf, halfLookup, roundingArithmetic, throughHalf, toHalf } from "./half.js";
import { BLOCK, blocksOf, fromInt4Blocks, type ScaleType, toInt4Blocks, ZERO } from "./int4Blocks.js";
import { heldFor, type LinearCall, type LookupCall, type Rewriter, type Rules, transposeOf } from "./rewrite.js";

/** The domain of ONNX Runtime's own operators. */
const DOMAIN = "com.microsoft";
const operatorSets = { [DOMAIN]: 1 };

export const fourBit: Rules = {
  linear: (call, to) => void product(call, call.input, call.output, "float32", to),
  lookup(call, to) {
    if (isOfTokens(call)) packedLookup(call, "float32", to);
    else to.nodes.push(call.node);
  },
  operatorSets,
};

export const fourBitHalf: Rules = {
  linear(call, to) {
    const { input, output } = call;
    fromHalf(product(call, toHalf(input, to), `${output}.float16`, "float16", to), output, to);
  },
  lookup(call, to) {
    if (isOfTokens(call)) packedLookup(call, "float16", to);
    else halfLookup(call, to);
  },
  operatorSets,
};

/** Whether a lookup is that of the vocabulary, the only table large enough to lose precision for. */
const isOfTokens = ({ input }: LookupCall): boolean => input === "input_ids";

/** input · matrix. @param dtype of input, scales and output */
function product({ matrix, table }: LinearCall, input: string, output: string, dtype: ScaleType, to: Rewriter): string {
  const [inputs = 0, outputs = 0] = matrix.shape;
  const { codes, scales } = packed(table ?? transposeOf(matrix), dtype, to);
  const sizes = Object.entries({ K: inputs, N: outputs, bits: 4, block_size: BLOCK });
  const attributes = Object.fromEntries(sizes.map(([name, int]) => [name, { int }]));
  return to.add("MatMulNBits", [input, codes, scales], output, attributes, DOMAIN);
}

interface Int4Constants {
  /** uint8 [rows, blocks, 16] */
  readonly codes: string;
  /** [rows, blocks] */
  readonly scales: string;
}

/** The constants of a matrix [rows, columns]. */
function packed({ name, shape, tensor }: Initializer, dtype: ScaleType, to: Rewriter): Int4Constants {
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

/** Rows of a packed table in float32. ids: [b, s] → [b, s, width] */
function packedLookup({ input, table, output }: LookupCall, dtype: ScaleType, to: Rewriter): void {
  const [, width = 0] = table.shape;
  const filled = blocksOf(width) * BLOCK;
  const name = (part: string) => `${output}.${part}`;
  const { codes, scales } = packed(table, dtype, to);
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

/** @returns [b, s, blocks, 1, 1] float32 */
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

const throughInt4 = (matrix: torch.Tensor, dtype: ScaleType): torch.Tensor =>
  torch.tensor(fromInt4Blocks(toInt4Blocks(matrix, dtype), matrix.shape[1]!), matrix.shape);

export const fourBitArithmetic: Arithmetic = {
  weight: (weight) => throughInt4(weight, "float32"),
  table: (table, ofTokens) => (ofTokens ? throughInt4(table, "float32") : undefined),
};

export const fourBitHalfArithmetic: Arithmetic = {
  ...roundingArithmetic,
  weight: (weight) => throughInt4(weight, "float16"),
  table: (table, ofTokens) => (ofTokens ? throughInt4(table, "float16") : throughHalf(table)),
};

/**
 * 4 bits: linear layers, which ONNX Runtime's `MatMulNBits` multiplies, and the vocabulary's table, which is in the file once if the output
 * is tied to it. Other tables are float32, or float16 with `fourBitHalf`, which also multiplies in float16. The graph's inputs and outputs stay
 * float32.
 */
import * as torch from "../../../../torch/index.js";
import type { Arithmetic } from "./emulation.js";
import { fromHalf, halfLookup, roundingArithmetic, throughHalf, toHalf } from "./half.js";
import { BLOCK, fromInt4Blocks, type ScaleType, toInt4Blocks } from "./int4Blocks.js";
import { int4Constants, int4Lookup } from "./int4Lookup.js";
import { type LinearCall, type LookupCall, type Rewriter, type Rules, transposeOf } from "./rewrite.js";

/** The domain of ONNX Runtime's own operators. */
const DOMAIN = "com.microsoft";
const operatorSets = { [DOMAIN]: 1 };

export const fourBit: Rules = {
  linear: (call, to) => void product(call, call.input, call.output, "float32", to),
  lookup(call, to) {
    if (isOfTokens(call)) int4Lookup(call, "float32", to);
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
    if (isOfTokens(call)) int4Lookup(call, "float16", to);
    else halfLookup(call, to);
  },
  operatorSets,
};

/**
 * Whether a lookup is that of the vocabulary. Other tables are small, and not worth their error: with all-MiniLM-L6-v2's positions and token
 * types in 4 bits, a file of 14.3 MiB shrinks by 0.6 MiB, and the error of its logits grows from 0.06 to 0.27.
 */
const isOfTokens = ({ input }: LookupCall): boolean => input === "input_ids";

/** input · matrix. @param dtype of input, scales and output */
function product({ matrix, table }: LinearCall, input: string, output: string, dtype: ScaleType, to: Rewriter): string {
  const [inputs = 0, outputs = 0] = matrix.shape;
  const { codes, scales } = int4Constants(table ?? transposeOf(matrix), dtype, to);
  const sizes = Object.entries({ K: inputs, N: outputs, bits: 4, block_size: BLOCK });
  const attributes = Object.fromEntries(sizes.map(([name, int]) => [name, { int }]));
  return to.add("MatMulNBits", [input, codes, scales], output, attributes, DOMAIN);
}

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

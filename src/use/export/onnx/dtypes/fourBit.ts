/**
 * 4 bits: weights in blocks of 32 inputs of an output, with a scale each, which ONNX Runtime's `MatMulNBits` takes. Tables are float32, or
 * float16 with `fourBitHalf`, which also multiplies in float16. The graph's inputs and outputs stay float32.
 */
import * as torch from "../../../../torch/index.js";
import type { Initializer } from "../graph/graph.js";
import type { Arithmetic } from "./arithmetic.js";
import { fromHalf, halfLookup, roundingArithmetic, toHalf } from "./half.js";
import { BLOCK, blocksOf, fromInt4Blocks, type Int4Blocks, int4Blocks } from "./int4Blocks.js";
import { byRows, heldFor, roundedToHalf } from "./matrices.js";
import type { Rewriter, Rules } from "./rewrite.js";

/** The domain of ONNX Runtime's own operators. */
const DOMAIN = "com.microsoft";
const operatorSets = { [DOMAIN]: 1 };

type Float = "float32" | "float16";

export const fourBit: Rules = {
  linear: ({ input, matrix, output }, to) => void product(input, matrix, output, "float32", to),
  operatorSets,
};

export const fourBitHalf: Rules = {
  linear({ input, matrix, output }, to) {
    fromHalf(product(toHalf(input, to), matrix, `${output}.float16`, "float16", to), output, to);
  },
  lookup: halfLookup,
  operatorSets,
};

/** input · matrix. @param dtype of input, scales and output */
function product(input: string, matrix: Initializer, output: string, dtype: Float, to: Rewriter): string {
  const [inputs = 0, outputs = 0] = matrix.shape;
  const blocks = blocksOf(inputs);
  const made = heldFor(2, () => blocksOfWeight(torch.t(matrix.tensor()), dtype));
  const shape = [outputs, blocks, BLOCK / 2];
  const codes = to.constant(`${matrix.name}.int4`, "uint8", shape, () => torch.tensor(made().codes, shape));
  const scales = to.constant(`${matrix.name}.scale`, dtype, [outputs * blocks], () =>
    torch.castTo(torch.tensor(made().scales), dtype),
  );
  const sizes = Object.entries({ K: inputs, N: outputs, bits: 4, block_size: BLOCK });
  const attributes = Object.fromEntries(sizes.map(([name, int]) => [name, { int }]));
  return to.add("MatMulNBits", [input, codes, scales], output, attributes, DOMAIN);
}

/** weight: [out, in] */
function blocksOfWeight(weight: torch.Tensor, dtype: Float): Int4Blocks {
  const [outputs = 0, inputs = 0] = weight.shape;
  const blocks = blocksOf(inputs);
  const whole = {
    codes: new Uint8Array((outputs * blocks * BLOCK) / 2),
    scales: new Float32Array(outputs * blocks),
  };
  byRows(weight, (values, first) => {
    const part = int4Blocks(values, inputs, dtype === "float16" ? roundedToHalf : Math.fround);
    whole.codes.set(part.codes, (first * blocks * BLOCK) / 2);
    whole.scales.set(part.scales, first * blocks);
  });
  return whole;
}

const throughInt4 = (weight: torch.Tensor, dtype: Float): torch.Tensor =>
  torch.tensor(fromInt4Blocks(blocksOfWeight(weight, dtype), weight.shape[1] as number), weight.shape);

export const fourBitArithmetic: Arithmetic = { weight: (weight) => throughInt4(weight, "float32") };

export const fourBitHalfArithmetic: Arithmetic = {
  ...roundingArithmetic,
  weight: (weight) => throughInt4(weight, "float16"),
};

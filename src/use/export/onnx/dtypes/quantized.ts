/**
 * int8, as onnxruntime's dynamic quantization: each layer's input is rounded to 256 steps between its smallest and largest element, its
 * weight to int8 with a scale for each output. Tables are int8 with a scale for each row. The graph's inputs and outputs stay float32.
 */
import * as torch from "../../../../torch/index.js";
import { ELEMENT_TYPES, type Initializer } from "../graph/graph.js";
import type { Arithmetic } from "./arithmetic.js";
import { fromInt8Rows, type Int8Matrix, int8Rows, throughUint8 } from "./int8.js";
import { byRows, heldFor } from "./matrices.js";
import type { Rewriter, Rules } from "./rewrite.js";

export const quantized: Rules = {
  linear({ input, matrix, table, output }, to) {
    const { codes, scales } = table ? ofTable(table, to) : ofMatrix(matrix, to);
    const weight = table ? { codes: to.transposed(codes), scales: to.transposed(scales) } : { codes, scales };
    const [x, step, zero] = quantizedInput(input, to);
    const sums = to.add("MatMulInteger", [x, weight.codes, zero], `${output}.int32`);
    const scale = to.add("Mul", [step, weight.scales], `${output}.scale`);
    to.add("Mul", [toFloat(sums, output, to), scale], output);
  },
  lookup({ node, input, table, output }, to) {
    const { codes, scales } = ofTable(table, to);
    const rows = to.add("Gather", [codes, input], `${output}.int8`, node.attributes);
    const scale = to.add("Gather", [scales, input], `${output}.scale`, node.attributes);
    to.add("Mul", [toFloat(rows, output, to), scale], output);
  },
};

interface Int8Constants {
  readonly codes: string;
  readonly scales: string;
}

/** @returns codes [in, out], scales [1, out] */
function ofMatrix({ name, shape, tensor }: Initializer, to: Rewriter): Int8Constants {
  const [, outputs = 0] = shape;
  const rows = heldFor(2, () => rowsOf(torch.t(tensor())));
  return {
    codes: to.constant(`${name}.int8`, "int8", shape, () => torch.t(codesOf(rows()))),
    scales: to.constant(`${name}.scale`, "float32", [1, outputs], () => torch.tensor(rows().scales, [1, outputs])),
  };
}

/** @returns codes [rows, width], scales [rows, 1] */
function ofTable({ name, shape, tensor }: Initializer, to: Rewriter): Int8Constants {
  const [count = 0] = shape;
  const rows = heldFor(2, () => rowsOf(tensor()));
  return {
    codes: to.constant(`${name}.int8`, "int8", shape, () => codesOf(rows())),
    scales: to.constant(`${name}.scale`, "float32", [count, 1], () => torch.tensor(rows().scales, [count, 1])),
  };
}

/** The codes of a layer's input (uint8), its scale and its zero. */
function quantizedInput(input: string, to: Rewriter): [string, string, string] {
  const outputs = ["uint8", "step", "zero_point"].map((part) => `${input}.${part}`);
  const made = to.shared(`${input}.uint8`, () => {
    const name = `node ${outputs[0]}`;
    to.nodes.push({ name, operator: "DynamicQuantizeLinear", domain: "", inputs: [input], outputs, attributes: {} });
    return outputs;
  });
  return made as [string, string, string];
}

const toFloat = (codes: string, output: string, to: Rewriter): string =>
  to.add("Cast", [codes], `${output}.float32`, { to: { int: ELEMENT_TYPES.float32 } });

function rowsOf(matrix: torch.Tensor): Int8Matrix {
  const [rows = 0, columns = 0] = matrix.shape;
  const whole = { codes: new Int8Array(rows * columns), scales: new Float32Array(rows) };
  byRows(matrix, (values, first) => {
    const part = int8Rows(values, columns);
    whole.codes.set(part.codes, first * columns);
    whole.scales.set(part.scales, first);
  });
  return whole;
}

const codesOf = ({ codes, scales }: Int8Matrix): torch.Tensor =>
  torch.tensor(codes, [scales.length, codes.length / scales.length]);

const throughInt8 = (matrix: torch.Tensor): torch.Tensor => torch.tensor(fromInt8Rows(rowsOf(matrix)), matrix.shape);

export const quantizedArithmetic: Arithmetic = {
  weight: throughInt8,
  table: throughInt8,
  input: (x) => torch.tensor(throughUint8(torch.contiguous(x).toTypedArray() as Float32Array), x.shape),
  dependsOnBatch: true,
};

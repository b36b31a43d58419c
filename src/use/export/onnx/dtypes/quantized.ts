/**
 * int8, as onnxruntime's dynamic quantization: each layer's input is rounded to 256 steps between its smallest and largest element, its
 * weight to int8 with a scale for each output. Tables are int8 with a scale for each row. The graph's inputs and outputs stay float32.
 */
import * as torch from "../../../../torch/index.js";
import { ELEMENT_TYPES, type Initializer } from "../graph/graph.js";
import type { Arithmetic } from "./emulation.js";
import { byRows, heldFor, type Rewriter, type Rules } from "./rewrite.js";

export const quantized: Rules = {
  linear({ input, matrix, table, output }, to) {
    const { codes, scales } = table ? constantsOf(table, "table", to) : constantsOf(matrix, "matrix", to);
    const weight = table ? { codes: to.transposed(codes), scales: to.transposed(scales) } : { codes, scales };
    const [x, step, zero] = quantizedInput(input, to);
    const sums = to.add("MatMulInteger", [x, weight.codes, zero], `${output}.int32`);
    const scale = to.add("Mul", [step, weight.scales], `${output}.scale`);
    to.add("Mul", [toFloat(sums, output, to), scale], output);
  },
  lookup({ node, input, table, output }, to) {
    const { codes, scales } = constantsOf(table, "table", to);
    const rows = to.add("Gather", [codes, input], `${output}.int8`, node.attributes);
    const scale = to.add("Gather", [scales, input], `${output}.scale`, node.attributes);
    to.add("Mul", [toFloat(rows, output, to), scale], output);
  },
};

interface Int8Constants {
  readonly codes: string;
  readonly scales: string;
}

/** @returns of a matrix codes [in, out], scales [1, out]; of a table codes [rows, width], scales [rows, 1] */
function constantsOf({ name, shape, tensor }: Initializer, kind: "matrix" | "table", to: Rewriter): Int8Constants {
  const [first = 0, last = 0] = shape;
  const turned = (x: torch.Tensor) => (kind === "matrix" ? torch.t(x) : x);
  const rows = heldFor(2, () => rowsOf(turned(tensor())));
  const ofScales = kind === "matrix" ? [1, last] : [first, 1];
  return {
    codes: to.constant(`${name}.int8`, "int8", shape, () => turned(codesOf(rows()))),
    scales: to.constant(`${name}.scale`, "float32", ofScales, () => torch.tensor(rows().scales, ofScales)),
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

/** A matrix: values ≈ codes · scale of the row. */
interface Int8Matrix {
  /** [rows, columns] */
  readonly codes: Int8Array<ArrayBuffer>;
  /** [rows] */
  readonly scales: Float32Array<ArrayBuffer>;
}

const LARGEST = 127;

/** Rounds each row to multiples of a 127th of its largest magnitude. */
function rowsOf(matrix: torch.Tensor): Int8Matrix {
  const [rows = 0, columns = 0] = matrix.shape;
  const [codes, scales] = [new Int8Array(rows * columns), new Float32Array(rows)];
  byRows(matrix, (values, first) => {
    for (let row = 0; row * columns < values.length; row++) {
      const own = values.subarray(row * columns, (row + 1) * columns);
      const scale = Math.fround(largestMagnitude(own) / LARGEST);
      scales[first + row] = scale;
      if (scale === 0) continue;
      const code = (value: number) => Math.max(-LARGEST, Math.min(LARGEST, Math.round(value / scale)));
      for (let i = 0; i < columns; i++) codes[(first + row) * columns + i] = code(own[i]!);
    }
  });
  return { codes, scales };
}

const codesOf = ({ codes, scales }: Int8Matrix): torch.Tensor =>
  torch.tensor(codes, [scales.length, codes.length / scales.length]);

function largestMagnitude(values: Float32Array): number {
  let largest = 0;
  for (const value of values) largest = Math.max(largest, Math.abs(value));
  return largest;
}

/** The values that int8 rows stand for: [rows, columns]. */
function fromInt8Rows({ codes, scales }: Int8Matrix): Float32Array<ArrayBuffer> {
  const columns = codes.length / scales.length;
  const values = new Float32Array(codes.length);
  for (let row = 0, i = 0; row < scales.length; row++)
    for (const end = i + columns; i < end; i++) values[i] = codes[i]! * scales[row]!;
  return values;
}

const throughInt8 = (matrix: torch.Tensor): torch.Tensor => torch.tensor(fromInt8Rows(rowsOf(matrix)), matrix.shape);

export const quantizedArithmetic: Arithmetic = {
  weight: throughInt8,
  table: throughInt8,
  input: (x) => torch.tensor(throughUint8(torch.contiguous(x).toTypedArray() as Float32Array), x.shape),
  dependsOnBatch: true,
};

const STEPS = 255;

/** A layer's input after ONNX's `DynamicQuantizeLinear`: 256 steps between its smallest and largest element, and 0. */
function throughUint8(values: Float32Array): Float32Array<ArrayBuffer> {
  let [low, high] = [0, 0];
  for (let i = 0; i < values.length; i++) {
    low = Math.min(low, values[i]!);
    high = Math.max(high, values[i]!);
  }
  const scale = Math.fround((high - low) / STEPS);
  if (scale === 0) return Float32Array.from(values);
  const zero = clipped(roundedToEven(Math.fround(-low / scale)));
  const rounded = new Float32Array(values.length);
  for (let i = 0; i < values.length; i++) {
    const code = roundedToEven(Math.fround(values[i]! / scale)) + zero;
    rounded[i] = (clipped(code) - zero) * scale;
  }
  return rounded;
}

const clipped = (code: number): number => Math.max(0, Math.min(STEPS, code));

/** 1.5 · 2⁵²: a sum with it has no digits after the point. */
const WHOLE = 1.5 * 2 ** 52;

/** The nearest whole number, of two the even one, for numbers up to 2⁵¹. */
const roundedToEven = (value: number): number => value + WHOLE - WHOLE;

/** The dtypes of exported weights, and the names of their files. */
import type { Arithmetic } from "./dtypes/emulation.js";
import { fourBit, fourBitArithmetic, fourBitHalf, fourBitHalfArithmetic } from "./dtypes/fourBit.js";
import { half, halfArithmetic } from "./dtypes/half.js";
import { quantized, quantizedArithmetic } from "./dtypes/quantized.js";
import { rewritten } from "./dtypes/rewrite.js";
import type { Graph } from "./graph/graph.js";

export interface OnnxDtype {
  /** What transformers.js appends to `model`. */
  readonly suffix: string;
  /** Converts a float32 graph. */
  convert(graph: Graph): Graph;
  /** Undefined for float32. */
  readonly arithmetic?: Arithmetic;
}

/** A dtype of weights in ONNX graphs, by its name in transformers.js. */
export type OnnxDtypeName = "fp32" | "fp16" | "q8" | "q4" | "q4f16";

export const ONNX_DTYPES = {
  fp32: { suffix: "", convert: (graph) => graph },
  fp16: { suffix: "_fp16", convert: (graph) => rewritten(graph, half), arithmetic: halfArithmetic },
  q8: { suffix: "_quantized", convert: (graph) => rewritten(graph, quantized), arithmetic: quantizedArithmetic },
  q4: { suffix: "_q4", convert: (graph) => rewritten(graph, fourBit), arithmetic: fourBitArithmetic },
  q4f16: { suffix: "_q4f16", convert: (graph) => rewritten(graph, fourBitHalf), arithmetic: fourBitHalfArithmetic },
} as const satisfies Readonly<Record<OnnxDtypeName, OnnxDtype>>;

export const ONNX_DTYPE_NAMES = Object.keys(ONNX_DTYPES) as OnnxDtypeName[];

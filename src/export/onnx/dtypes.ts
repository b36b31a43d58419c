/** The dtypes of exported weights, and the names of their files. */
import { fourBit, fourBitHalf } from "./dtypes/fourBit.js";
import { half } from "./dtypes/half.js";
import { quantized } from "./dtypes/quantized.js";
import { rewritten } from "./dtypes/rewrite.js";
import type { Graph } from "./graph.js";

/** How a dtype is written. */
interface OnnxDtype {
  /** What transformers.js appends to `model`. */
  readonly suffix: string;
  /** Converts a float32 graph. */
  convert(graph: Graph): Graph;
}

/** The dtypes by their names in transformers.js. */
export const ONNX_DTYPES = {
  fp32: { suffix: "", convert: (graph) => graph },
  fp16: { suffix: "_fp16", convert: (graph) => rewritten(graph, half) },
  q8: { suffix: "_quantized", convert: (graph) => rewritten(graph, quantized) },
  q4: { suffix: "_q4", convert: (graph) => rewritten(graph, fourBit) },
  q4f16: { suffix: "_q4f16", convert: (graph) => rewritten(graph, fourBitHalf) },
} as const satisfies Readonly<Record<string, OnnxDtype>>;

export type OnnxDtypeName = keyof typeof ONNX_DTYPES;

export const ONNX_DTYPE_NAMES = Object.keys(ONNX_DTYPES) as OnnxDtypeName[];

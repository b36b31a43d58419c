/** The dtypes of exported weights, and the names of their files. */
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
} as const satisfies Readonly<Record<string, OnnxDtype>>;

export type OnnxDtypeName = keyof typeof ONNX_DTYPES;

export const ONNX_DTYPE_NAMES = Object.keys(ONNX_DTYPES) as OnnxDtypeName[];

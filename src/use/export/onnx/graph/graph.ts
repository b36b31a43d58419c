/** An ONNX graph in memory. Weights are not in it: each is computed when it is written. */
import type * as torch from "../../../../torch/index.js";

declare const VALUE: unique symbol;

/** The name of a tensor in a graph: an input, an initializer, or a node's output. */
export type Value = string & { readonly [VALUE]: true };

/** An attribute of a node, by the field of ONNX's AttributeProto that holds it. */
export type Attribute =
  | { readonly int: number }
  | { readonly float: number }
  | { readonly string: string }
  | { readonly ints: readonly number[] };

export interface Node {
  readonly name: string;
  readonly operator: string;
  /** The operator's domain; "" for ONNX's own. */
  readonly domain: string;
  /** "" for an optional input that is left out. */
  readonly inputs: readonly string[];
  readonly outputs: readonly string[];
  readonly attributes: Readonly<Record<string, Attribute>>;
}

/** The element types that a graph can have, with their numbers in TensorProto.DataType. */
export const ELEMENT_TYPES = {
  float32: 1,
  uint8: 2,
  int8: 3,
  int16: 5,
  int32: 6,
  int64: 7,
  bool: 9,
  float16: 10,
  float64: 11,
} as const satisfies Readonly<Record<Exclude<torch.DType, "bfloat16">, number>>;

export type ElementType = keyof typeof ELEMENT_TYPES;

export interface Initializer {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly number[];
  /** Computes the values, of this dtype and shape; called when they are written, and by passes that convert them. */
  tensor(): torch.Tensor;
}

/** A graph's input or output: dimensions that differ from call to call have names. */
export interface Port {
  readonly name: string;
  readonly dtype: ElementType;
  readonly shape: readonly (number | string)[];
}

/** A graph. Nodes are in the order of execution. */
export interface Graph {
  readonly nodes: readonly Node[];
  readonly initializers: readonly Initializer[];
  readonly inputs: readonly Port[];
  readonly outputs: readonly Port[];
  /** Versions of operator sets by domain. */
  readonly operatorSets: ReadonlyMap<string, number>;
}

/** ONNX's operator set 17, the first with LayerNormalization, which every onnxruntime since 1.12 has. */
export const OPERATOR_SET = 17;

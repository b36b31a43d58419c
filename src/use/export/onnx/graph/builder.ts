/** Builds a graph: methods named after ONNX's operators, in camelCase, that add a node and return its output. */
import * as torch from "../../../../torch/index.js";
import {
  type Attribute,
  ELEMENT_TYPES,
  type ElementType,
  type Graph,
  type Initializer,
  type Node,
  OPERATOR_SET,
  type Port,
  type Value,
} from "./graph.js";

type Attributes = Node["attributes"];

const nodeOf = (
  operator: string,
  inputs: readonly string[],
  outputs: readonly string[],
  attributes: Attributes = {},
  name = `node ${outputs[0]}`,
): Node => ({ name, operator, domain: "", inputs, outputs, attributes });

/** A number, or a tensor in the graph. Numbers become constants of the operation's dtype, float32 unless said otherwise. */
export type Operand = Value | number;

const int = (value: number): Attribute => ({ int: value });
const ints = (values: readonly number[]): Attribute => ({ ints: values });

export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #inputs: Port[] = [];
  readonly #outputs: Port[] = [];
  readonly #names = new Map<string, number>();
  readonly #constants = new Map<string, string>();

  get graph(): Graph {
    return {
      nodes: [...this.#nodes],
      initializers: [...this.#initializers.values()],
      inputs: [...this.#inputs],
      outputs: [...this.#outputs],
      operatorSets: new Map([["", OPERATOR_SET]]),
    };
  }

  // Inputs, outputs, constants

  input(name: string, dtype: ElementType, shape: readonly (number | string)[]): Value {
    this.#inputs.push({ name, dtype, shape });
    return name as Value;
  }

  /** Declares an output of the graph, with the value of another tensor. */
  output(name: string, value: Value, dtype: ElementType, shape: readonly (number | string)[]): void {
    this.#outputs.push({ name, dtype, shape });
    this.#nodes.push(nodeOf("Identity", [value], [name]));
  }

  /** A constant tensor, one for each name. */
  initializer(initializer: Initializer): Value {
    if (!this.#initializers.has(initializer.name)) this.#initializers.set(initializer.name, initializer);
    return initializer.name as Value;
  }

  /** A small constant, a vector or a scalar, shared by all who use the same. */
  constant(values: number | readonly number[], dtype: ElementType = "float32"): Value {
    const shape = typeof values === "number" ? [] : [values.length];
    const list = typeof values === "number" ? [values] : values;
    const key = `${dtype}[${shape}] ${list}`;
    const name = this.#constants.get(key) ?? this.#fresh("constant");
    this.#constants.set(key, name);
    return this.initializer({ name, dtype, shape, tensor: () => torch.tensor(list, shape, dtype) });
  }

  // Nodes

  /** @param name which onnxruntime's errors have */
  node(operator: string, inputs: readonly Operand[], attributes: Attributes = {}, name?: string): Value {
    return this.nodes(operator, inputs, 1, attributes, name)[0]!;
  }

  /** Adds a node with `count` outputs. */
  nodes(operator: string, inputs: readonly Operand[], count: number, attributes: Attributes, name?: string): Value[] {
    const outputs = Array.from({ length: count }, () => this.#fresh(operator) as Value);
    const values = inputs.map((input) => (typeof input === "number" ? this.constant(input) : input));
    this.#nodes.push(nodeOf(operator, values, outputs, attributes, name));
    return outputs;
  }

  #unary(operator: string) {
    return (x: Value): Value => this.node(operator, [x]);
  }

  #binary(operator: string) {
    return (a: Operand, b: Operand): Value => this.node(operator, [a, b]);
  }

  #fresh(stem: string): string {
    const count = this.#names.get(stem) ?? 0;
    this.#names.set(stem, count + 1);
    return `${stem}:${count}`;
  }

  // Arithmetic, with broadcasting

  readonly add = this.#binary("Add");
  readonly sub = this.#binary("Sub");
  readonly mul = this.#binary("Mul");
  readonly div = this.#binary("Div");
  readonly pow = this.#binary("Pow");
  readonly max = this.#binary("Max");
  readonly neg = this.#unary("Neg");
  readonly abs = this.#unary("Abs");
  readonly sqrt = this.#unary("Sqrt");
  readonly reciprocal = this.#unary("Reciprocal");
  readonly cos = this.#unary("Cos");
  readonly sin = this.#unary("Sin");
  readonly erf = this.#unary("Erf");
  readonly tanh = this.#unary("Tanh");
  readonly relu = this.#unary("Relu");
  readonly sigmoid = this.#unary("Sigmoid");

  // Comparison

  readonly equal = this.#binary("Equal");
  readonly greaterOrEqual = this.#binary("GreaterOrEqual");
  readonly lessOrEqual = this.#binary("LessOrEqual");
  readonly and = this.#binary("And");
  readonly not = this.#unary("Not");

  /** `a` where the condition holds, else `b`. */
  where(condition: Value, a: Operand, b: Operand): Value {
    return this.node("Where", [condition, a, b]);
  }

  // Matrices, norms, reductions

  readonly matMul = this.#binary("MatMul");

  /** Over the last axis. */
  softmax(x: Value): Value {
    return this.node("Softmax", [x], { axis: int(-1) });
  }
  layerNormalization(x: Value, scale: Value, bias: Value, epsilon: number): Value {
    return this.node("LayerNormalization", [x, scale, bias], { axis: int(-1), epsilon: { float: epsilon } });
  }
  reduceSum(x: Value, axes: readonly number[], keepDims = true): Value {
    return this.node("ReduceSum", [x, this.constant(axes, "int64")], { keepdims: int(keepDims ? 1 : 0) });
  }
  reduceMean(x: Value, axes: readonly number[]): Value {
    return this.node("ReduceMean", [x], { axes: ints(axes), keepdims: int(1) });
  }
  /** Sums up to and including each element. */
  cumSum(x: Value, axis: number): Value {
    return this.node("CumSum", [x, this.constant(axis, "int64")]);
  }
  /** The index of the first largest element, int64, without the axis. */
  argMax(x: Value, axis: number): Value {
    return this.node("ArgMax", [x], { axis: int(axis), keepdims: int(0) });
  }
  /** A convolution over the last axis. x: [b, in, s], weight: [out, in, k] → [b, out, s] with `padding` zeros on both sides */
  conv(x: Value, weight: Value, bias: Value, padding: number): Value {
    return this.node("Conv", [x, weight, bias], { pads: ints([padding, padding]) });
  }

  // Shapes and elements

  cast(x: Value, dtype: ElementType): Value {
    return this.node("Cast", [x], { to: int(ELEMENT_TYPES[dtype]) });
  }
  /** The dimensions of a tensor as int64, or those from `start` to before `end`. */
  shape(x: Value, start = 0, end?: number): Value {
    return this.node("Shape", [x], { start: int(start), ...(end !== undefined && { end: int(end) }) });
  }
  /** The size of one dimension, an int64 scalar. */
  size(x: Value, axis: number): Value {
    return this.squeeze(this.shape(x, axis, axis + 1), [0]);
  }
  /** @param shape 0 keeps a dimension, -1 is what is left */
  reshape(x: Value, shape: readonly number[]): Value {
    return this.node("Reshape", [x, this.constant(shape, "int64")]);
  }
  transpose(x: Value, permutation: readonly number[]): Value {
    return this.node("Transpose", [x], { perm: ints(permutation) });
  }
  unsqueeze(x: Value, axes: readonly number[]): Value {
    return this.node("Unsqueeze", [x, this.constant(axes, "int64")]);
  }
  squeeze(x: Value, axes: readonly number[]): Value {
    return this.node("Squeeze", [x, this.constant(axes, "int64")]);
  }
  expand(x: Value, shape: Value): Value {
    return this.node("Expand", [x, shape]);
  }
  concat(parts: readonly Value[], axis: number): Value {
    return this.node("Concat", parts, { axis: int(axis) });
  }
  /** Elements `start` to before `end` of an axis. */
  slice(x: Value, axis: number, start: number, end: number): Value {
    const one = (value: number) => this.constant([value], "int64");
    return this.node("Slice", [x, one(start), one(end), one(axis)]);
  }
  /** Parts of these sizes along an axis. */
  split<Sizes extends readonly number[]>(x: Value, axis: number, sizes: readonly [...Sizes]) {
    const parts = this.nodes("Split", [x, this.constant(sizes, "int64")], sizes.length, { axis: int(axis) });
    return parts as { [Index in keyof Sizes]: Value };
  }
  /** 0, 1, … up to before the int64 scalar `end`. */
  range(end: Value): Value {
    return this.node("Range", [this.constant(0, "int64"), end, this.constant(1, "int64")]);
  }
  /** The entries of `x` along an axis at these indices, of any shape. */
  gather(x: Value, indices: Value, axis = 0): Value {
    return this.node("Gather", [x, indices], { axis: int(axis) });
  }
  /** torch.gather */
  gatherElements(x: Value, indices: Value, axis: number): Value {
    return this.node("GatherElements", [x, indices], { axis: int(axis) });
  }
  /** For each row of the batch, its entry. x: [b, s, …], indices: [b] → [b, …] */
  gatherInRows(x: Value, indices: Value): Value {
    return this.node("GatherND", [x, this.unsqueeze(indices, [1])], { batch_dims: int(1) });
  }
  clip(x: Value, low: Value, high: Value): Value {
    return this.node("Clip", [x, low, high]);
  }
}

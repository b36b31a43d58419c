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

/** What a node needs besides operator and inputs. */
interface NodeOptions {
  readonly attributes?: Readonly<Record<string, Attribute>>;
  /** The operator's domain; ONNX's own by default. */
  readonly domain?: string;
  /** The node's name, which onnxruntime's errors have. */
  readonly name?: string;
}

/** A number, or a tensor in the graph. Numbers become constants of the operation's dtype, float32 unless said otherwise. */
export type Operand = Value | number;

const int = (value: number): Attribute => ({ int: value });
const ints = (values: readonly number[]): Attribute => ({ ints: values });

/** A graph under construction. */
export class GraphBuilder {
  readonly #nodes: Node[] = [];
  readonly #initializers = new Map<string, Initializer>();
  readonly #inputs: Port[] = [];
  readonly #outputs: Port[] = [];
  readonly #operatorSets = new Map([["", OPERATOR_SET]]);
  readonly #names = new Map<string, number>();
  readonly #constants = new Map<string, string>();

  /** The graph as built so far. */
  get graph(): Graph {
    return {
      nodes: [...this.#nodes],
      initializers: [...this.#initializers.values()],
      inputs: [...this.#inputs],
      outputs: [...this.#outputs],
      operatorSets: this.#operatorSets,
    };
  }

  // Inputs, outputs, constants

  /** Declares an input of the graph. */
  input(name: string, dtype: ElementType, shape: readonly (number | string)[]): Value {
    this.#inputs.push({ name, dtype, shape });
    return name as Value;
  }

  /** Declares an output of the graph, with the value of another tensor. */
  output(name: string, value: Value, dtype: ElementType, shape: readonly (number | string)[]): void {
    this.#outputs.push({ name, dtype, shape });
    this.#nodes.push(this.#nodeOf("Identity", [value], [name], {}));
  }

  /** A constant tensor, one for each name. */
  initializer(initializer: Initializer): Value {
    if (!this.#initializers.has(initializer.name)) this.#initializers.set(initializer.name, initializer);
    return initializer.name as Value;
  }

  /** A small constant, shared by all who use the same. A scalar without `shape`. */
  constant(values: number | readonly number[], dtype: ElementType = "float32", shape?: readonly number[]): Value {
    const own = shape ?? (typeof values === "number" ? [] : [values.length]);
    const list = typeof values === "number" ? [values] : values;
    const key = `${dtype}[${own}] ${list}`;
    const name = this.#constants.get(key) ?? this.#fresh("constant");
    this.#constants.set(key, name);
    return this.initializer({ name, dtype, shape: own, tensor: () => torch.tensor(list, own, dtype) });
  }

  // Nodes

  /** Adds a node with one output. */
  node(operator: string, inputs: readonly Operand[], options: NodeOptions = {}): Value {
    return this.nodes(operator, inputs, 1, options)[0] as Value;
  }

  /** Adds a node with `count` outputs. */
  nodes(operator: string, inputs: readonly Operand[], count: number, options: NodeOptions = {}): Value[] {
    const { domain = "" } = options;
    if (!this.#operatorSets.has(domain)) this.#operatorSets.set(domain, 1);
    const outputs = Array.from({ length: count }, () => this.#fresh(operator) as Value);
    const values = inputs.map((input) => (typeof input === "number" ? this.constant(input) : input));
    this.#nodes.push(this.#nodeOf(operator, values, outputs, options));
    return outputs;
  }

  #nodeOf(
    operator: string,
    inputs: readonly string[],
    outputs: readonly string[],
    { attributes = {}, domain = "", name = `node ${outputs[0]}` }: NodeOptions,
  ): Node {
    return { name, operator, domain, inputs, outputs, attributes };
  }

  #fresh(stem: string): string {
    const count = this.#names.get(stem) ?? 0;
    this.#names.set(stem, count + 1);
    return `${stem}:${count}`;
  }

  // Arithmetic, with broadcasting

  add(a: Operand, b: Operand): Value {
    return this.node("Add", [a, b]);
  }
  sub(a: Operand, b: Operand): Value {
    return this.node("Sub", [a, b]);
  }
  mul(a: Operand, b: Operand): Value {
    return this.node("Mul", [a, b]);
  }
  div(a: Operand, b: Operand): Value {
    return this.node("Div", [a, b]);
  }
  pow(a: Operand, b: Operand): Value {
    return this.node("Pow", [a, b]);
  }
  max(a: Operand, b: Operand): Value {
    return this.node("Max", [a, b]);
  }
  min(a: Operand, b: Operand): Value {
    return this.node("Min", [a, b]);
  }
  neg(x: Value): Value {
    return this.node("Neg", [x]);
  }
  abs(x: Value): Value {
    return this.node("Abs", [x]);
  }
  sqrt(x: Value): Value {
    return this.node("Sqrt", [x]);
  }
  reciprocal(x: Value): Value {
    return this.node("Reciprocal", [x]);
  }
  cos(x: Value): Value {
    return this.node("Cos", [x]);
  }
  sin(x: Value): Value {
    return this.node("Sin", [x]);
  }
  erf(x: Value): Value {
    return this.node("Erf", [x]);
  }
  tanh(x: Value): Value {
    return this.node("Tanh", [x]);
  }
  relu(x: Value): Value {
    return this.node("Relu", [x]);
  }
  sigmoid(x: Value): Value {
    return this.node("Sigmoid", [x]);
  }

  // Comparison

  equal(a: Value, b: Value): Value {
    return this.node("Equal", [a, b]);
  }
  greaterOrEqual(a: Value, b: Value): Value {
    return this.node("GreaterOrEqual", [a, b]);
  }
  lessOrEqual(a: Value, b: Value): Value {
    return this.node("LessOrEqual", [a, b]);
  }
  and(a: Value, b: Value): Value {
    return this.node("And", [a, b]);
  }
  or(a: Value, b: Value): Value {
    return this.node("Or", [a, b]);
  }
  not(x: Value): Value {
    return this.node("Not", [x]);
  }
  /** `a` where the condition holds, else `b`. */
  where(condition: Value, a: Operand, b: Operand): Value {
    return this.node("Where", [condition, a, b]);
  }

  // Matrices, norms, reductions

  matMul(a: Value, b: Value): Value {
    return this.node("MatMul", [a, b]);
  }
  softmax(x: Value, axis = -1): Value {
    return this.node("Softmax", [x], { attributes: { axis: int(axis) } });
  }
  layerNormalization(x: Value, scale: Value, bias: Value, epsilon: number): Value {
    return this.node("LayerNormalization", [x, scale, bias], {
      attributes: { axis: int(-1), epsilon: { float: epsilon } },
    });
  }
  reduceSum(x: Value, axes: readonly number[], keepDims = true): Value {
    const attributes = { keepdims: int(keepDims ? 1 : 0) };
    return this.node("ReduceSum", [x, this.constant(axes, "int64")], { attributes });
  }
  reduceMean(x: Value, axes: readonly number[]): Value {
    return this.node("ReduceMean", [x], { attributes: { axes: ints(axes), keepdims: int(1) } });
  }
  /** Sums up to and including each element. */
  cumSum(x: Value, axis: number): Value {
    return this.node("CumSum", [x, this.constant(axis, "int64")]);
  }
  /** The index of the first largest element, int64, without the axis. */
  argMax(x: Value, axis: number): Value {
    return this.node("ArgMax", [x], { attributes: { axis: int(axis), keepdims: int(0) } });
  }
  /** A convolution over the last axis. x: [b, in, s], weight: [out, in, k] → [b, out, s] with `padding` zeros on both sides */
  conv(x: Value, weight: Value, bias: Value, padding: number): Value {
    return this.node("Conv", [x, weight, bias], { attributes: { pads: ints([padding, padding]) } });
  }

  // Shapes and elements

  cast(x: Value, dtype: ElementType): Value {
    return this.node("Cast", [x], { attributes: { to: int(ELEMENT_TYPES[dtype]) } });
  }
  /** The dimensions of a tensor as int64, or those from `start` to before `end`. */
  shape(x: Value, start = 0, end?: number): Value {
    const attributes = { start: int(start), ...(end !== undefined && { end: int(end) }) };
    return this.node("Shape", [x], { attributes });
  }
  /** The size of one dimension, an int64 scalar. */
  size(x: Value, axis: number): Value {
    return this.squeeze(this.shape(x, axis, axis === -1 ? undefined : axis + 1), [0]);
  }
  /** @param shape 0 keeps a dimension, -1 is what is left */
  reshape(x: Value, shape: Value | readonly number[]): Value {
    return this.node("Reshape", [x, this.#int64(shape)]);
  }
  transpose(x: Value, permutation: readonly number[]): Value {
    return this.node("Transpose", [x], { attributes: { perm: ints(permutation) } });
  }
  unsqueeze(x: Value, axes: readonly number[]): Value {
    return this.node("Unsqueeze", [x, this.constant(axes, "int64")]);
  }
  squeeze(x: Value, axes: readonly number[]): Value {
    return this.node("Squeeze", [x, this.constant(axes, "int64")]);
  }
  expand(x: Value, shape: Value | readonly number[]): Value {
    return this.node("Expand", [x, this.#int64(shape)]);
  }
  concat(parts: readonly Value[], axis: number): Value {
    return this.node("Concat", parts, { attributes: { axis: int(axis) } });
  }
  /** Elements `start` to before `end` of an axis. */
  slice(x: Value, axis: number, start: number, end: number): Value {
    const one = (value: number) => this.constant([value], "int64");
    return this.node("Slice", [x, one(start), one(end), one(axis)]);
  }
  /** Parts of these sizes along an axis. */
  split(x: Value, axis: number, sizes: readonly number[]): Value[] {
    const attributes = { axis: int(axis) };
    return this.nodes("Split", [x, this.constant(sizes, "int64")], sizes.length, { attributes });
  }
  /** 0, 1, … up to before the int64 scalar `end`, or from `start`. */
  range(end: Value, start?: Value): Value {
    return this.node("Range", [start ?? this.constant(0, "int64"), end, this.constant(1, "int64")]);
  }
  /** The entries of `x` along an axis at these indices, of any shape. */
  gather(x: Value, indices: Value, axis = 0): Value {
    return this.node("Gather", [x, indices], { attributes: { axis: int(axis) } });
  }
  /** torch.gather */
  gatherElements(x: Value, indices: Value, axis: number): Value {
    return this.node("GatherElements", [x, indices], { attributes: { axis: int(axis) } });
  }
  /** For each row of the batch, its entry. x: [b, s, …], indices: [b] → [b, …] */
  gatherInRows(x: Value, indices: Value): Value {
    return this.node("GatherND", [x, this.unsqueeze(indices, [1])], { attributes: { batch_dims: int(1) } });
  }
  clip(x: Value, low: Value, high: Value): Value {
    return this.node("Clip", [x, low, high]);
  }

  #int64(shape: Value | readonly number[]): Value {
    return typeof shape === "string" ? shape : this.constant(shape, "int64");
  }
}

/** Replaces the nodes of a graph that use a matrix: its linear layers and its lookups in tables. */
import * as torch from "../../../../torch/index.js";
import type { Attribute, ElementType, Graph, Initializer, Node } from "../graph/graph.js";

interface Call {
  readonly node: Node;
  /** The name of the other operand: a layer's input, or the ids of a lookup. */
  readonly input: string;
  readonly output: string;
}

export interface LinearCall extends Call {
  /** [in, out] float32 */
  readonly matrix: Initializer;
  /** The table that the matrix is the transpose of, [out, in], in a model that ties its output to its embeddings. */
  readonly table: Initializer | undefined;
}

export interface LookupCall extends Call {
  /** [rows, width] float32 */
  readonly table: Initializer;
}

/** How a dtype computes the linear layers and lookups of a graph. Each adds its nodes, the last one with the call's output. */
export interface Rules {
  linear(call: LinearCall, to: Rewriter): void;
  /** By default lookups stay as they are. */
  readonly lookup?: (call: LookupCall, to: Rewriter) => void;
  /** Operator sets that the nodes need. */
  readonly operatorSets?: Readonly<Record<string, number>>;
}

/** Collects the nodes and initializers of the new graph. */
export class Rewriter {
  readonly nodes: Node[] = [];
  readonly initializers = new Map<string, Initializer>();
  readonly #shared = new Map<string, readonly string[]>();

  /** Adds a node. @returns the name of its output */
  add(
    operator: string,
    inputs: readonly string[],
    output: string,
    attributes: Readonly<Record<string, Attribute>> = {},
    domain = "",
  ): string {
    this.nodes.push({ name: `node ${output}`, operator, domain, inputs, outputs: [output], attributes });
    return output;
  }

  /** A constant. @returns its name */
  constant(name: string, dtype: ElementType, shape: readonly number[], tensor: () => torch.Tensor): string {
    this.initializers.set(name, { name, dtype, shape, tensor });
    return name;
  }

  /** What several nodes use, which `make` adds for the first one. @returns names of outputs */
  shared(key: string, make: () => readonly string[]): readonly string[] {
    const made = this.#shared.get(key) ?? make();
    this.#shared.set(key, made);
    return made;
  }

  /** The transpose of a constant, [rows, columns] → [columns, rows]. */
  transposed(constant: string): string {
    const [made = ""] = this.shared(`${constant}.transposed`, () => [
      this.add("Transpose", [constant], `${constant}.transposed`, { perm: { ints: [1, 0] } }),
    ]);
    return made;
  }
}

/** The graph with its linear layers and lookups replaced. Nodes and initializers that nothing uses any more are left out. */
export function rewritten(graph: Graph, rules: Rules): Graph {
  const to = new Rewriter();
  const matrices = matricesOf(graph);
  for (const node of graph.nodes) rewriteNode(node, matrices, rules, to);
  const nodes = withoutUnused(to.nodes, graph);
  const used = new Set(nodes.flatMap(({ inputs }) => inputs));
  const initializers = [...graph.initializers, ...to.initializers.values()].filter(({ name }) => used.has(name));
  return { ...graph, nodes, initializers, operatorSets: operatorSetsOf(graph, nodes, rules) };
}

/** The float32 matrices of a graph, and those that are a table's transpose, by name. */
function matricesOf({ initializers, nodes }: Graph): ReadonlyMap<string, Omit<LinearCall, keyof Call>> {
  const tables = new Map(
    initializers.filter(({ shape, dtype }) => shape.length === 2 && dtype === "float32").map((own) => [own.name, own]),
  );
  const found = new Map<string, Omit<LinearCall, keyof Call>>();
  for (const [name, matrix] of tables) found.set(name, { matrix, table: undefined });
  for (const { operator, inputs, outputs } of nodes) {
    const table = operator === "Transpose" ? tables.get(inputs[0]!) : undefined;
    if (table) found.set(outputs[0]!, { matrix: transposeOf(table), table });
  }
  return found;
}

export const transposeOf = ({ name, dtype, shape, tensor }: Initializer): Initializer => ({
  name: `${name}.transposed`,
  dtype,
  shape: shape.toReversed(),
  tensor: () => torch.t(tensor()),
});

function rewriteNode(node: Node, matrices: ReturnType<typeof matricesOf>, rules: Rules, to: Rewriter): void {
  const [first = "", second = ""] = node.inputs;
  const [output = ""] = node.outputs;
  const [product, lookup] = [matrices.get(second), matrices.get(first)];
  if (node.operator === "MatMul" && product) rules.linear({ node, input: first, output, ...product }, to);
  else if (node.operator === "Gather" && lookup && !lookup.table && rules.lookup)
    rules.lookup({ node, input: second, output, table: lookup.matrix }, to);
  else to.nodes.push(node);
}

function withoutUnused(nodes: readonly Node[], { outputs }: Graph): Node[] {
  const used = new Set([...nodes.flatMap(({ inputs }) => inputs), ...outputs.map(({ name }) => name)]);
  return nodes.filter((node) => node.outputs.some((name) => used.has(name)));
}

function operatorSetsOf(graph: Graph, nodes: readonly Node[], { operatorSets = {} }: Rules): Graph["operatorSets"] {
  const domains = new Set(nodes.map(({ domain }) => domain));
  return new Map([...graph.operatorSets, ...Object.entries(operatorSets).filter(([domain]) => domains.has(domain))]);
}

/** Makes a value when it is first asked for, holds it for so many uses in all, and then makes it again. */
export function heldFor<T>(uses: number, make: () => T): () => T {
  let held: { readonly value: T; left: number } | undefined;
  return () => {
    held ??= { value: make(), left: uses };
    const { value } = held;
    held.left--;
    if (held.left === 0) held = undefined;
    return value;
  };
}

/** The number of elements that are converted at once, so that a large matrix is not held twice. */
const PART = 2 ** 22;

/** Calls `convert` with some rows of a float32 matrix after the other. @param convert gets [part of rows, columns] and the first row's index */
export function byRows(matrix: torch.Tensor, convert: (values: Float32Array, first: number) => void): void {
  const [rows = 0, columns = 1] = matrix.shape;
  const step = Math.max(1, Math.floor(PART / columns));
  for (let first = 0; first < rows; first += step) {
    const part = () => torch.contiguous(torch.narrow(matrix, 0, first, Math.min(step, rows - first))).toTypedArray();
    convert(torch.scope(part) as Float32Array, first);
  }
}

/** float16: matrices are stored and multiplied in float16. All else, and the graph's inputs and outputs, stay float32. */
import * as torch from "../../../../torch/index.js";
import { ELEMENT_TYPES, type Initializer } from "../graph/graph.js";
import type { Arithmetic } from "./emulation.js";
import type { Rewriter, Rules } from "./rewrite.js";

export function toHalf(value: string, to: Rewriter): string {
  const output = `${value}.to_float16`;
  const cast = () => [to.add("Cast", [value], output, { to: { int: ELEMENT_TYPES.float16 } })];
  return to.shared(output, cast)[0] as string;
}

/** Names the float32 copy of a float16 value `output`. */
export const fromHalf = (value: string, output: string, to: Rewriter): string =>
  to.add("Cast", [value], output, { to: { int: ELEMENT_TYPES.float32 } });

export const halfLookup: NonNullable<Rules["lookup"]> = ({ node, input, table, output }, to) => {
  fromHalf(to.add("Gather", [halfOf(table, to), input], `${output}.float16`, node.attributes), output, to);
};

export const half: Rules = {
  linear({ input, matrix, table, output }, to) {
    const weight = table ? to.transposed(halfOf(table, to)) : halfOf(matrix, to);
    fromHalf(to.add("MatMul", [toHalf(input, to), weight], `${output}.float16`), output, to);
  },
  lookup: halfLookup,
};

const halfOf = ({ name, shape, tensor }: Initializer, to: Rewriter): string =>
  to.constant(`${name}.float16`, "float16", shape, () => torch.castTo(tensor(), "float16"));

export const throughHalf = (values: torch.Tensor): torch.Tensor =>
  torch.castTo(torch.castTo(values, "float16"), "float32");

/** The values themselves, but not numbers where float16 is infinite. */
function unlessTooLarge(values: torch.Tensor): torch.Tensor {
  const rounded = throughHalf(values);
  return torch.add(values, torch.sub(rounded, rounded));
}

/** ONNX Runtime leaves out the rounding of inputs and outputs on a CPU, where it multiplies in float32; on a GPU they are rounded. */
export const halfArithmetic: Arithmetic = {
  weight: throughHalf,
  table: throughHalf,
  input: unlessTooLarge,
  output: unlessTooLarge,
};

/** With inputs and outputs in float16. */
export const roundingArithmetic: Arithmetic = { ...halfArithmetic, input: throughHalf, output: throughHalf };

import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { initState, OPTIMIZERS, type OptimizerOptions, type OptimizerState } from "../../../src/torch/optim/index.js";
import { drawer } from "../kernels/support.js";
import { expectSameBits } from "../sameBits.js";

const { adamw, adamw8bit } = OPTIMIZERS;
const OPTIONS: OptimizerOptions = {
  ...{ adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8 },
  momentum: Number.NaN,
};
const DECAY = 0.1;
const formsOf = (shape: readonly number[], dtype: torch.DType = "float32", isEmbedding = false) =>
  adamw8bit.stateForms({ shape, dtype, isEmbedding }, OPTIONS);

describe("the state", () => {
  test("has a byte per element and moment, and a scale for 256 elements, from 4096 elements on", () => {
    const codes = { shape: [17, 241], dtype: "uint8" };
    const scales = { shape: [17], dtype: "float32" };
    expect(formsOf([17, 241])).toEqual({ state1: codes, state2: codes, absmax1: scales, absmax2: scales });
    expect(formsOf([64, 64]).absmax1).toEqual({ shape: [16], dtype: "float32" });
    expect(formsOf([4096], "float64").state1!.dtype).toBe("uint8");
  });

  test.each([
    [[4095], "float32", "float32"],
    [[63, 65], "bfloat16", "float32"],
    [[1], "float64", "float64"],
    [[], "float32", "float32"],
  ] as const)("of %j in %s is in %s", (shape, dtype, state) => {
    const form = { shape, dtype: state };
    expect(formsOf(shape, dtype)).toEqual({ state1: form, state2: form });
  });

  test("of a table of embeddings is in floating point, whatever its size", () => {
    const form = { shape: [100, 100], dtype: "float32" };
    expect(formsOf([100, 100], "float32", true)).toEqual({ state1: form, state2: form });
  });
});

/** Steps of an optimizer on parameters of these shapes; the second has no weight decay. */
function stepped(name: "adamw" | "adamw8bit", dtype: torch.DType, shapes: readonly number[][], isEmbedding = false) {
  const draw = drawer(5);
  const parameters = shapes.map((shape, i) => ({
    tensor: torch.clone(draw(shape, dtype)),
    weightDecay: i === 1 ? 0 : DECAY,
  }));
  const forms = parameters.map(({ tensor: { shape, device } }) => ({ shape, dtype, device, isEmbedding }));
  const state = initState(OPTIMIZERS[name], forms, OPTIONS);
  for (let step = 1; step <= 4; step++) {
    const gradients = shapes.map((shape) => draw(shape, dtype));
    OPTIMIZERS[name].update(parameters, gradients, state, 0.01, OPTIONS);
  }
  return { tensors: parameters.map(({ tensor }) => tensor), state };
}

const bytesOf = ({ memories }: OptimizerState) =>
  memories.flatMap((memory) => Object.values(memory)).reduce((sum, { nbytes }) => sum + nbytes, 0);

test.each([
  ["small tensors", [[7, 11], [5]], false],
  ["a table of embeddings", [[100, 50]], true],
] as const)("%s get AdamW's steps, bit by bit", (_, shapes, isEmbedding) => {
  const all = shapes.map((shape) => [...shape]);
  const [own, theirs] = [stepped("adamw8bit", "float32", all, isEmbedding), stepped("adamw", "float32", all)];
  for (const [i, tensor] of theirs.tensors.entries()) {
    expectSameBits(own.tensors[i]!, tensor);
    expectSameBits(own.state.memories[i]!.state1!, theirs.state.memories[i]!.exp_avg!);
    expectSameBits(own.state.memories[i]!.state2!, theirs.state.memories[i]!.exp_avg_sq!);
  }
});

test("a small bfloat16 tensor is updated in float32 and rounded once per step", () => {
  const draw = drawer(5);
  const start = draw([9], "bfloat16");
  const [half, wide] = [torch.clone(start), torch.to(start, "float32")];
  const [ofHalf, ofWide] = [initState(adamw8bit, [half], OPTIONS), initState(adamw, [wide], OPTIONS)];
  for (let step = 1; step <= 5; step++) {
    const gradient = draw([9], "bfloat16");
    adamw8bit.update([{ tensor: half, weightDecay: DECAY }], [gradient], ofHalf, 0.01, OPTIONS);
    adamw.update([{ tensor: wide, weightDecay: DECAY }], [torch.to(gradient, "float32")], ofWide, 0.01, OPTIONS);
    torch.copy_(wide, torch.to(wide, "bfloat16"));
    expectSameBits(torch.to(half, "float32"), wide);
  }
});

test("large tensors take about a quarter of AdamW's memory, and stay near AdamW's values", () => {
  const shapes = [[256, 512], [4099]];
  const [own, theirs] = [stepped("adamw8bit", "float32", shapes), stepped("adamw", "float32", shapes)];
  expect(bytesOf(own.state) / bytesOf(theirs.state)).toBeCloseTo((1 + 4 / 256) / 4, 3);
  for (const [i, tensor] of theirs.tensors.entries()) {
    const moved = torch.linalgVectorNorm(torch.sub(tensor, drawn(shapes)[i]!), 2).item();
    expect(torch.linalgVectorNorm(torch.sub(own.tensors[i]!, tensor), 2).item() / moved).toBeLessThan(0.05);
  }
});

/** What `stepped` starts from. */
function drawn(shapes: readonly number[][]): torch.Tensor[] {
  const draw = drawer(5);
  return shapes.map((shape) => draw(shape, "float32"));
}

test("elements that never have a gradient keep their values, and a block of them has codes and scales of 0", () => {
  const gradient = torch.clone(drawer(1)([5000], "float32"));
  torch.zero_(torch.narrow(gradient, 0, 100, 700));
  const tensor = torch.clone(drawer(2)([5000], "float32"));
  const before = torch.clone(tensor);
  const state = initState(adamw8bit, [tensor], OPTIONS);
  for (let step = 1; step <= 3; step++)
    adamw8bit.update([{ tensor, weightDecay: 0 }], [gradient], state, 0.01, OPTIONS);
  expectSameBits(torch.narrow(tensor, 0, 100, 700), torch.narrow(before, 0, 100, 700));
  expect(torch.narrow(tensor, 0, 0, 5).toArray()).not.toEqual(torch.narrow(before, 0, 0, 5).toArray());
  const { state1, state2, absmax1, absmax2 } = state.memories[0]!;
  for (const codes of [state1!, state2!]) expect(torch.max(torch.narrow(codes, 0, 256, 512)).item()).toBe(0);
  for (const scales of [absmax1!, absmax2!]) expect([...scales.toArray()].slice(1, 3)).toEqual([0, 0]);
});

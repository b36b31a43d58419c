import { expect, it } from "vitest";
import * as torch from "../../src/torch/index.js";
import { native } from "../../src/torch/native/native.js";
import { nested } from "./nested.js";

// Kinds of arguments and returns, some in operators that the list does not hold.
const EXTRA = [
  "aten::upsample_nearest1d.vec", // SymInt[]?, float[]?
  "aten::kthvalue.values", // several out arguments
  "aten::_foreach_add.ScalarList", // Scalar[]
  "aten::is_floating_point", // bool returned
  "aten::size.int", // int returned
  "aten::item", // Scalar returned
  "aten::var_mean.correction", // Scalar?
  "aten::histogramdd", // Tensor and Tensor[] returned, float[]?
  "aten::convolution", // bool among lists of ints
  "aten::meshgrid.indexing", // str
];
const first = native.declareOperators(EXTRA);
const call = (name: string, ...args: unknown[]) => native.call(first + EXTRA.indexOf(name), ...args);
const read = (handle: unknown) => nested(new torch.Tensor(handle as number));
const v = (...values: number[]) => torch.tensor(values);

it("passes and returns numbers, booleans and scalars", () => {
  const x = torch.ones([2, 3]);
  expect(call("aten::is_floating_point", x.handle)).toBe(true);
  expect(call("aten::size.int", x.handle, 1)).toBe(3);
  expect(call("aten::size.int", x.handle, -2n)).toBe(2);
  expect(call("aten::item", v(2.5).handle)).toBe(2.5);
  expect(call("aten::item", torch.tensor([7n].map(Number), [1], "int64").handle)).toBe(7);
  expect(torch.mulScalar(torch.tensor([1, 2], [2], "int64"), 2).dtype).toBe("int64");
  expect(torch.mulScalar(torch.tensor([1, 2], [2], "int64"), 0.5).dtype).toBe("float32");
  expect(torch.mulScalar(v(2), true).item()).toBe(2);
  expect(torch.addScalar(torch.tensor([0], [1], "int64"), 2n ** 62n).toTypedArray()[0]).toBe(2n ** 62n);
  expect(Object.is(torch.mulScalar(v(1), -0).item(), -0)).toBe(true);
});

it("passes strings and lists of scalars, floats and booleans", () => {
  const added = call("aten::_foreach_add.ScalarList", [v(1).handle, v(2).handle], [10, 0.5]) as number[];
  expect(added.map(read)).toEqual([[11], [2.5]]);
  const image = torch.tensor([1, 2], [1, 1, 2]);
  expect(read(call("aten::upsample_nearest1d.vec", image.handle, null, [2]))).toEqual([[[1, 1, 2, 2]]]);
  expect(read(call("aten::upsample_nearest1d.vec", image.handle, [4], undefined))).toEqual([[[1, 1, 2, 2]]]);
  const grid = call("aten::meshgrid.indexing", [v(1, 2).handle, v(3, 4).handle], "xy") as number[];
  expect(grid.map(read)).toEqual([
    [
      [1, 2],
      [1, 2],
    ],
    [
      [3, 3],
      [4, 4],
    ],
  ]);
  const kernel = torch.tensor([1, 1], [1, 1, 2]);
  expect(read(call("aten::convolution", image.handle, kernel.handle, null, [1], [0], [1], false, [0], 1))).toEqual([
    [[3]],
  ]);
});

it("returns several results, also of different kinds", () => {
  const [variance, mean] = call("aten::var_mean.correction", v(1, 3).handle, [0], 1) as number[];
  expect([read(variance), read(mean)]).toEqual([2, 2]);
  const points = torch.tensor([0.5, 0.5, 1.5, 0.5], [2, 2]);
  const [counts, edges] = call("aten::histogramdd", points.handle, [2, 1], [0, 2, 0, 1]) as [number, number[]];
  expect(read(counts)).toEqual([[1], [1]]);
  expect(edges.map(read)).toEqual([
    [0, 1, 2],
    [0, 1],
  ]);
});

it("writes into its argument and returns that tensor", () => {
  const x = v(1, 2);
  expect(torch.mulScalar_(x, 3)).toBe(x);
  const out = torch.zeros([2, 2]);
  expect(torch.mmOut(torch.eye(2), torch.eye(2), out)).toBe(out);
  expect(nested(out)).toEqual([
    [1, 0],
    [0, 1],
  ]);
  const [values, indices] = [torch.empty([]), torch.empty([], { dtype: "int64" })];
  const returned = call("aten::kthvalue.values", v(5, 9, 7).handle, 2, -1, false, values.handle, indices.handle);
  expect([nested(values), nested(indices), returned]).toEqual([7, 2, [undefined, undefined]]);
});

it("makes views that share memory", () => {
  const x = torch.zeros([2, 2]);
  torch.fill_(torch.select(x, 0, 1), 5);
  expect(nested(x)).toEqual([
    [0, 0],
    [5, 5],
  ]);
});

it("passes dtypes, devices, memory formats and generators", () => {
  expect(torch.zeros([1], { dtype: "bfloat16", device: "cpu" }).dtype).toBe("bfloat16");
  expect(torch.clone(torch.ones([1, 1, 2, 2]), { memoryFormat: "channels_last" }).shape).toEqual([1, 1, 2, 2]);
  const draw = (generator?: torch.Generator) =>
    torch.uniform_(torch.empty([4]), 0, 1, generator ? { generator } : {}).toArray();
  expect(draw(new torch.Generator(3))).toEqual(draw(new torch.Generator(3)));
  expect(draw()).not.toEqual(draw());
});

it.each([
  ["a number for a tensor", () => torch.add(torch.ones([1]), 4.5 as never), /argument other: .*(released|expected)/],
  ["text for a tensor", () => call("aten::is_floating_point", "x"), /argument self: expected a tensor/],
  ["nothing for a tensor", () => call("aten::is_floating_point"), /argument self: /],
  ["a fraction for a size", () => torch.ones([1.5]), /argument size: expected a whole number/],
  ["NaN for a size", () => torch.ones([Number.NaN]), /expected a whole number/],
  ["a bigint too large", () => torch.addScalar(torch.ones([1]), 2n ** 64n), /64 bits/],
  ["text for a number", () => torch.mulScalar(torch.ones([1]), "2" as never), /argument other: expected a number/],
  [
    "a number for a flag",
    () => torch.sumDim(torch.ones([1]), [0], 1 as never),
    /argument keepdim: expected true or false/,
  ],
  ["a number for a list", () => torch.cat(torch.ones([1]).handle as never, 0), /not a function|expected an array/],
  [
    "an unknown dtype",
    () => torch.zeros([1], { dtype: "float8" as never }),
    /expected a dtype such as float32.*float8/,
  ],
  ["an unknown device", () => torch.zeros([1], { device: "toaster" }), /toaster|device/],
  ["an unknown memory format", () => torch.clone(torch.ones([1]), { memoryFormat: "odd" }), /memory format/],
  [
    "a tensor for a generator",
    () => torch.uniform_(torch.ones([1]), 0, 1, { generator: torch.ones([1]) as never }),
    /expected a generator/,
  ],
  ["a generator for a tensor", () => torch.neg(new torch.Generator() as never), /expected a tensor/],
  [
    "an array with a throwing getter",
    () =>
      torch.ones(
        Object.defineProperty([1], 0, {
          get: () => {
            throw new RangeError("mine");
          },
        }),
      ),
    /mine/,
  ],
  [
    "an operator that libtorch lacks",
    () => native.call(native.declareOperators(["aten::no_such"])),
    /this libtorch has no operator aten::no_such/,
  ],
  ["an operator that was never declared", () => native.call(4_000_000), /is not declared/],
])("refuses %s", (_, run, message) => {
  const live = torch.liveHandles();
  expect(run).toThrow(message);
  expect(torch.liveHandles() - live).toBeLessThanOrEqual(3);
});

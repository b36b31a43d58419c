import { expect, it } from "vitest";
import * as torch from "../../../../src/torch/index.js";
import { roundedToHalf } from "../../../../src/use/export/onnx/dtypes/int4Blocks.js";
import { byRows, heldFor } from "../../../../src/use/export/onnx/dtypes/rewrite.js";

it("a large matrix is converted in parts that give each row once, also if it is a transpose", () => {
  const [rows, columns] = [9, 2 ** 19]; // more elements than a part has
  const matrix = torch.t(torch.reshape(torch.arange(rows * columns, { dtype: "float32" }), [columns, rows]));
  const found: number[][] = [];
  byRows(matrix, (values, first) => {
    for (let row = 0; row * columns < values.length; row++)
      found[first + row] = [values[row * columns] as number, values[(row + 1) * columns - 1] as number];
  });
  expect(found).toEqual(Array.from({ length: rows }, (_, row) => [row, (columns - 1) * rows + row]));
});

it("a value is made once for all its uses, and again after them", () => {
  let made = 0;
  const use = heldFor(2, () => ++made);
  expect([use(), use(), use(), use()]).toEqual([1, 1, 2, 2]);
});

it("numbers are rounded to float16 as libtorch rounds float32, ties to even", () => {
  const all = torch.fromBytes(
    new Uint8Array(Uint16Array.from({ length: 2 ** 16 }, (_, bits) => bits).buffer),
    [2 ** 16],
    "float16",
  );
  const halves = torch.to(all, "float32").toTypedArray() as Float32Array;
  const finite = halves.filter(Number.isFinite).sort();
  const between = finite.map((half, i) => (half + (finite[i + 1] ?? half)) / 2); // ties
  const nearby = [...between].flatMap((tie) => [tie, tie * (1 + 2 ** -20), tie * (1 - 2 ** -20)]);
  const odd = [0, -0, 65519.9, 65520, -65520, 1e9, 2 ** -25, 3 * 2 ** -25, 1e-40, Infinity, -Infinity, NaN];
  const numbers = Float32Array.from([...halves, ...nearby, ...odd]);
  const expected = torch.to(torch.to(torch.tensor(numbers), "float16"), "float32").toTypedArray() as Float32Array;
  const found = Float32Array.from(numbers, roundedToHalf);
  const wrong = numbers.findIndex((_, i) => !Object.is(found[i], expected[i]));
  expect(wrong < 0 ? [] : [numbers[wrong], found[wrong], expected[wrong]]).toEqual([]);
  expect(roundedToHalf(1 + 2 ** -11 + 2 ** -40)).toBe(1); // rounded to float32 first, as a tensor's values are
  expect([0.1, 65504, 1e-8].map(roundedToHalf)).toEqual([0.0999755859375, 65504, 0]);
});

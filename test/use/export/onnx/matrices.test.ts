import { expect, it } from "vitest";
import * as torch from "../../../../src/torch/index.js";
import { roundedToHalf } from "../../../../src/use/export/onnx/dtypes/fourBit.js";
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

it("numbers are rounded to float16", () => {
  expect([0.1, 65504, 1e-8].map(roundedToHalf)).toEqual([0.0999755859375, 65504, 0]);
});

import { expect, test } from "vitest";
import { weightChange } from "../../../src/models/adapters/index.js";
import * as torch from "../../../src/torch/index.js";

/** [out, in] = [3, 2]: rows of lengths 5, 13 and 2. */
const ROWS = [
  [3, 4],
  [5, 12],
  [0, 2],
];
const FACTORS = [1.5, 0.25, 1];
const ANGLES = [Math.PI / 3, Math.PI / 6, 0];

const matrix = (rows: readonly (readonly number[])[], dtype: torch.DType = "float64") =>
  torch.tensor(rows.flat(), [rows.length, rows[0]!.length], dtype);

const transposed = (rows: readonly (readonly number[])[]) => rows[0]!.map((_, at) => rows.map((row) => row[at]!));

/** Each row longer by its factor and turned by its angle. */
const MOVED = ROWS.map(([x, y], at) => {
  const [factor, cos, sin] = [FACTORS[at]!, Math.cos(ANGLES[at]!), Math.sin(ANGLES[at]!)];
  return [factor * (x! * cos - y! * sin), factor * (x! * sin + y! * cos)];
});
const DELTA_M = (5 * 0.5 + 13 * 0.75 + 0) / 3;
const DELTA_D = (1 - Math.cos(ANGLES[0]!) + (1 - Math.cos(ANGLES[1]!)) + 0) / 3;

test("measures known factors and angles, of rows along out and of columns along in", () => {
  for (const [axis, turn] of [
    ["out", (rows: number[][]) => rows],
    ["in", transposed],
  ] as const) {
    const { deltaM, deltaD } = weightChange(matrix(turn(ROWS)), matrix(turn(MOVED)), axis, 1e-13);
    expect(deltaM, axis).toBeCloseTo(DELTA_M, 13);
    expect(deltaD, axis).toBeCloseTo(DELTA_D, 13);
  }
});

test("the other axis gives other values", () => {
  const { deltaM, deltaD } = weightChange(matrix(ROWS), matrix(MOVED), "in", 1e-13);
  expect(deltaM).not.toBeCloseTo(DELTA_M, 3);
  expect(deltaD).not.toBeCloseTo(DELTA_D, 3);
});

test("an inverted row counts 2, an orthogonal one 1", () => {
  const turned = [
    [-3, -4],
    [-12, 5],
    [0, 2],
  ];
  expect(weightChange(matrix(ROWS), matrix(turned), "out", 1e-13).deltaD).toBeCloseTo((2 + 1 + 0) / 3, 14);
});

test("angles too small for 1 − cos are still exact", () => {
  const angle = 1e-9;
  const before = matrix([[1, 0]]);
  const after = matrix([[Math.cos(angle), Math.sin(angle)]]);
  const { deltaD } = weightChange(before, after, "out", 1e-13);
  expect(deltaD / (angle ** 2 / 2)).toBeCloseTo(1, 6);
});

test("an unchanged length or direction gives exactly 0, and so does a change within rounding", () => {
  const scaled = matrix(ROWS.map((row, at) => row.map((value) => (value * FACTORS[at]!) / 3)));
  expect(weightChange(matrix(ROWS), matrix(ROWS), "out", 0)).toEqual({ deltaM: 0, deltaD: 0 });
  expect(weightChange(matrix(ROWS), scaled, "out", 1e-13)).toMatchObject({ deltaD: 0 });
  const rounded = torch.to(torch.to(torch.divScalar(matrix(ROWS), 3), "float32"), "float64");
  const exact = torch.divScalar(matrix(ROWS), 3);
  expect(weightChange(exact, rounded, "out", 1e-6)).toEqual({ deltaM: 0, deltaD: 0 });
  expect(weightChange(exact, rounded, "out", 1e-13).deltaM).toBeGreaterThan(0);
});

test("one vector that moved makes all vectors count, without rounding", () => {
  const before = matrix([
    [1, 0],
    [0, 1],
  ]);
  const after = matrix([
    [2, 0],
    [0, 1 + 1e-8],
  ]);
  expect(weightChange(before, after, "out", 1e-6).deltaM).toBeCloseTo((1 + 1e-8) / 2, 15);
});

test("a zero vector has no direction, but its length counts", () => {
  const before = matrix([
    [0, 0],
    [0, 2],
    [1, 1],
  ]);
  const after = matrix([
    [3, 4],
    [0, 0],
    [1, 1],
  ]);
  expect(weightChange(before, after, "out", 1e-13)).toEqual({ deltaM: (5 + 2) / 3, deltaD: 0 });
  expect(weightChange(before, before, "out", 1e-13)).toEqual({ deltaM: 0, deltaD: 0 });
});

test("half precision is widened before the computation", () => {
  const before = matrix(ROWS, "bfloat16");
  expect(weightChange(before, matrix(MOVED), "out", 1e-13).deltaM).toBeCloseTo(DELTA_M, 13);
});

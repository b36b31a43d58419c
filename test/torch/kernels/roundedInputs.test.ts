// w8a8: matrices of int8 rows whose products round their left operand to int8 as well, on processors with AMX.
// Shapes: x [n, in], W [out, in], A [r, in], B [out, r].
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { drawer, expectAlike, expectRowsAlone } from "./support.js";

const hasProducts = torch.engineFacts().byteProducts;
const BFLOAT16_ROUNDING = 2 ** -8;

/** Random codes and scales, and the weight. */
function random([out, columns]: readonly [number, number]) {
  const generator = new torch.Generator(out + columns);
  const drawn = torch.randint(256, [out, columns], { generator, dtype: "int64" });
  const codes = torch.castTo(torch.subScalar(drawn, 128), "int8");
  const scales = torch.addScalar(torch.abs(torch.normal_(torch.empty([out]), 0, 0.01, { generator })), 0.001);
  const weight = torch.packedWeight([torch.flatten(codes), scales], "w8a8", [], [out, columns], "bfloat16");
  return { weight, codes, scales };
}

/** Rows rounded as docs/packed.md says: their values in float64. */
function rounded(x: torch.Tensor): torch.Tensor {
  const largest = torch.amax(torch.abs(x), [1], true);
  const codes = torch.round(torch.mul(x, torch.div(torch.full([1], 127), largest)));
  return torch.mul(torch.to(codes, "float64"), torch.to(torch.mulScalar(largest, 1 / 127), "float64"));
}

const wide = (x: torch.Tensor) => torch.to(x, "float64");
const column = (scales: torch.Tensor) => torch.unsqueeze(wide(scales), 1);

describe.runIf(hasProducts)("products with w8a8", () => {
  const SHAPES = [
    [70, 64],
    [33, 128],
    [96, 192],
    [300, 576],
    [130, 2112],
    [1030, 320],
    [70, 4224],
  ] as const;

  test.each(SHAPES)("[%i, %i]: forward, and the input's gradient", (out, columns) => {
    const { weight, codes, scales } = random([out, columns]);
    for (const n of [1, 2, 16, 17, 32, 70, 200])
      torch.scope(() => {
        const draw = drawer(n);
        const [x, bias, g] = [draw([n, columns], "bfloat16"), draw([out], "bfloat16"), draw([n, out], "bfloat16")];
        x.setRequiresGrad(true);
        const y = torch.fastLinear(x, weight, bias);
        const [dx] = torch.grad([torch.sum(torch.mul(y, g))], [x]);
        const matrix = torch.mul(wide(codes), column(scales));
        const wanted = torch.add(torch.linear(rounded(torch.to(torch.detach(x), "float32")), matrix), wide(bias));
        // The rows' scales are part of what the gradient's rows are rounded with.
        const scaled = torch.mul(torch.to(g, "float32"), torch.unsqueeze(scales, 0));
        const wantedGradient = torch.mm(rounded(scaled), wide(codes));
        expectAlike([y, dx!], [wanted, wantedGradient], BFLOAT16_ROUNDING);
      });
  });

  test.each(SHAPES)(
    "[%i, %i]: with a low-rank update, of which only the weight's part is rounded, and a gain",
    (out, columns) => {
      const { weight, codes, scales } = random([out, columns]);
      for (const n of [3, 16, 90])
        torch.scope(() => {
          const draw = drawer(n);
          const [x, bias] = [draw([n, columns], "bfloat16"), draw([out], "bfloat16")];
          const [a, b] = [draw([7, columns], "bfloat16"), draw([out, 7], "bfloat16")];
          const gain = torch.addScalar(torch.abs(draw([out], "float32")), 0.5);
          const y = torch.lowRankLinear(x, weight, bias, torch.to(a, "float32"), torch.to(b, "float32"), 0.5, { gain });
          const low = torch.mulScalar(torch.linear(torch.linear(wide(x), wide(a)), wide(b)), 0.5);
          const frozen = torch.linear(rounded(torch.to(x, "float32")), torch.mul(wide(codes), column(scales)));
          const wanted = torch.add(torch.mul(torch.add(frozen, low), wide(gain)), wide(bias));
          expectAlike([y], [wanted], 4 * BFLOAT16_ROUNDING);
        });
    },
  );

  test("a row's bits depend neither on threads nor on other rows", () => {
    torch.scope(() => {
      const { weight } = random([200, 1088]);
      expectRowsAlone(drawer(1)([300, 1088], "bfloat16"), weight, torch.decodeWeight(weight));
    });
  });

  test("rows of zeros stay zero, tiny rows become zero, large ones do not, and what is not finite stays so in its row alone", () => {
    torch.scope(() => {
      const { weight, codes } = random([70, 64]);
      const x = torch.ones([6, 64]).toArray() as number[];
      const set = (row: number, value: number) => x.fill(value, row * 64, row * 64 + 64);
      set(0, 0);
      set(1, 1e-35);
      x[2 * 64 + 5] = Number.NaN;
      x[3 * 64 + 9] = Number.POSITIVE_INFINITY;
      set(5, 0);
      x[5 * 64 + 3] = 3e38; // times the weight, which is smaller than 1
      const y = torch.fastLinear(torch.castTo(torch.tensor(x, [6, 64]), "bfloat16"), weight);
      const rows = (torch.castTo(y, "float32").toArray() as number[]).map((value) => Number.isFinite(value) && value);
      const row = (i: number) => rows.slice(i * 70, i * 70 + 70);
      expect([...row(0), ...row(1)].every((value) => value === 0)).toBe(true);
      expect([...row(2), ...row(3)].every((value) => value === false)).toBe(true);
      expect(row(4).every((value) => typeof value === "number")).toBe(true);
      const third = torch.select(codes, 1, 3).toArray();
      expect(row(5).map((value) => value === 0)).toEqual(Array.from(third, (code) => code === 0));
    });
  });

  test("rows must fill lines of 64 bytes, and the dtype is bfloat16", () => {
    torch.scope(() => {
      const pack = (columns: number, dtype: torch.DType) =>
        torch.packedWeight([torch.zeros([2 * columns], { dtype: "int8" }), torch.ones([2])], "w8a8", [], [2, columns], dtype); // biome-ignore format: one line
      expect(() => pack(96, "bfloat16")).toThrow("w8a8: expected rows of a multiple of 64 elements, got rows of 96");
      expect(() => pack(64, "float32")).toThrow("w8a8: expected dtype bfloat16, got Float");
    });
  });
});

test.skipIf(hasProducts)("w8a8 is refused without AMX", () => {
  expect(() => torch.packedWeight([torch.zeros([64], { dtype: "int8" }), torch.ones([1])], "w8a8", [], [1, 64], "bfloat16")).toThrow("w8a8: expected a processor with AMX"); // biome-ignore format: one line
});

// Products of rows with packed weights that add up whole numbers. Shapes: x [n, in], W [out, in], A [r, in], B [out, r].
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { drawer, withThreads } from "./support.js";

/** Of a block: its elements, its bytes, and where its float16 numbers are. */
const BLOCKS: Record<string, readonly [elements: number, bytes: number, halves: readonly number[]]> = {
  q8_0: [32, 34, [0]],
  q4_0: [32, 18, [0]],
  q4_1: [32, 20, [0, 2]],
  q5_0: [32, 22, [0]],
  q5_1: [32, 24, [0, 2]],
  q4_k: [256, 144, [0, 2]],
  q5_k: [256, 176, [0, 2]],
  q6_k: [256, 210, [208]],
};
/** Four bits with their block size, 64 if there is none. */
const FORMATS = ["nf4", "nf4 64 twice", "nf4 32", "nf4 96", "nf4 512 twice", "fp4 128 twice", "fp4", "int8", ...Object.keys(BLOCKS)]; // biome-ignore format: one line
/** [out, in]: one column group and several, blocks of 256 that end early where the format allows it. */
const SHAPES: Readonly<Record<number, readonly (readonly [number, number])[]>> = {
  32: [[5, 32], [70, 1376], [33, 256], [1, 288], [9, 416], [3, 480]], // biome-ignore format: one line
  64: [[5, 64], [70, 1344], [33, 256], [1, 320]], // biome-ignore format: one line
  96: [[5, 96], [70, 1344], [1, 288]], // biome-ignore format: one line
  128: [[5, 128], [70, 1408], [1, 256]], // biome-ignore format: one line
  256: [[5, 256], [70, 1280], [1, 512]], // biome-ignore format: one line
  512: [[5, 512], [70, 1536], [1, 1024]], // biome-ignore format: one line
};
const shapesOf = (format: string) =>
  SHAPES[BLOCKS[format]?.[0] ?? Number(format.split(" ")[1] ?? 64)] as (typeof SHAPES)[number];

type Dtype = "float32" | "bfloat16";

/** What a matrix is made of: a byte for each of so many codes, and so many scales. */
interface Made {
  readonly codes: (count: number) => torch.Tensor;
  readonly scales: (count: number) => torch.Tensor;
  /** A float16 number's byte with its sign and exponent, for the block's first byte. */
  readonly half: (block: number) => number;
}

function matrix(format: string, [rows, columns]: readonly [number, number], dtype: Dtype, made: Made): torch.Tensor {
  const { codes, scales, half } = made;
  const count = rows * columns;
  if (format === "int8") {
    const signed = torch.castTo(torch.subScalar(torch.castTo(codes(count), "int64"), 128), "int8");
    return torch.packedWeight([signed, scales(rows)], format, [], [rows, columns], dtype);
  }
  if (!BLOCKS[format]) {
    const [name, size = "64", twice] = format.split(" ") as [string, string?, string?];
    const blocks = Math.ceil(count / Number(size));
    const packed = [codes(blocks), scales(256), scales(Math.ceil(blocks / 256)), torch.tensor([0.05], [1], "float32")];
    const parts = [codes(count / 2), ...(twice ? packed : [scales(blocks)])];
    return torch.packedWeight(parts, name, twice ? [Number(size), 256] : [Number(size)], [rows, columns], dtype);
  }
  const [elements, size, halves] = BLOCKS[format];
  const bytes = codes((count / elements) * size).bytes();
  for (let block = 0; block < bytes.length; block += size)
    for (const at of halves) bytes[block + at + 1] = ((bytes[block + at + 1] as number) & 128) | half(block);
  return torch.packedWeight([torch.fromBytes(bytes, [bytes.length], "uint8")], format, [], [rows, columns], dtype);
}

/** A matrix of random codes, and of scales of different sizes. */
function random(format: string, shape: readonly [number, number], dtype: Dtype): torch.Tensor {
  const generator = new torch.Generator(shape[0] + shape[1]);
  return matrix(format, shape, dtype, {
    codes: (count) => torch.castTo(torch.randint(256, [count], { generator, dtype: "int64" }), "uint8"),
    scales: (count) => torch.normal_(torch.empty([count]), 0, 0.1, { generator }),
    half: (block) => 0x24 + (block % 7),
  });
}

/** A matrix whose codes have the same byte everywhere, and so have packed scales. */
const filled = (format: string, shape: readonly [number, number], dtype: Dtype, byte: number): torch.Tensor =>
  matrix(format, shape, dtype, {
    codes: (count) => torch.fromBytes(new Uint8Array(count).fill(byte), [count], "uint8"),
    scales: (count) => torch.ones([count]),
    half: () => 0x3c,
  });

/** The decoded values, not rounded to bfloat16. */
const valuesOf = (format: string, shape: readonly [number, number]) =>
  torch.to(torch.decodeWeight(random(format, shape, "float32")), "float64");

/** Every element rounded to bfloat16 from within 2⁻¹⁵ of the sum of its terms' magnitudes, which the rounding of x to int16 allows. */
function expectExact(actual: torch.Tensor, expected: torch.Tensor, magnitudes: torch.Tensor): void {
  const difference = torch.abs(torch.sub(torch.to(actual, "float64"), expected));
  const allowed = torch.add(torch.mulScalar(torch.abs(expected), 2 ** -8), torch.mulScalar(magnitudes, 2 ** -15));
  expect(torch.max(torch.sub(difference, allowed)).item()).toBeLessThanOrEqual(0);
}

const hasThem = torch.engineFacts().integerProducts;

describe.runIf(hasThem).each(FORMATS)("%s", (format) => {
  test.each(shapesOf(format))(
    "[%i, %i]: each of 1 to 8, 13 and 36 rows is the product with the unrounded values",
    (...shape) => {
      for (const n of [1, 2, 3, 4, 5, 6, 7, 8, 13, 36])
        torch.scope(() => {
          const draw = drawer(n);
          const [weight, values] = [random(format, shape, "bfloat16"), valuesOf(format, shape)];
          const x = torch.mul(draw([n, shape[1]], "bfloat16"), torch.exp(draw([n, 1], "bfloat16")));
          const bias = draw([shape[0]], "bfloat16");
          const [wide, wideBias] = [torch.to(x, "float64"), torch.to(bias, "float64")];
          const magnitudes = torch.linear(torch.abs(wide), torch.abs(values), torch.abs(wideBias));
          const y = torch.withIntegerProducts(() => torch.fastLinear(x, weight, bias));
          expectExact(y, torch.linear(wide, values, wideBias), magnitudes);
        });
    },
  );

  test.each([0, 127, 128, 240, 255])("whole numbers don't overflow where all codes have the byte %i", (byte) => {
    torch.scope(() => {
      const shape = [17, 1536] as const;
      const [weight, values] = [filled(format, shape, "bfloat16", byte), filled(format, shape, "float32", byte)];
      const wide = torch.to(torch.decodeWeight(values), "float64");
      for (const sign of [1, -1]) {
        const x = torch.castTo(torch.mulScalar(torch.ones([8, 1536]), sign), "bfloat16");
        const y = torch.withIntegerProducts(() => torch.fastLinear(x, weight));
        const magnitudes = torch.linear(torch.ones([8, 1536], { dtype: "float64" }), torch.abs(wide));
        expectExact(y, torch.linear(torch.to(x, "float64"), wide), magnitudes);
      }
    });
  });

  test.each([3, 21])("%i rows with a low-rank update and a gain", (rows) => {
    torch.scope(() => {
      const shape = shapesOf(format)[1] as readonly [number, number];
      const draw = drawer(7);
      const [weight, values] = [random(format, shape, "bfloat16"), valuesOf(format, shape)];
      const [x, bias] = [draw([rows, shape[1]], "bfloat16"), draw([shape[0]], "bfloat16")];
      const [a, b] = [draw([7, shape[1]], "bfloat16"), draw([shape[0], 7], "bfloat16")];
      const gain = torch.addScalar(torch.abs(draw([shape[0]], "float32")), 0.5);
      const y = torch.withIntegerProducts(() => torch.noGrad(() => torch.lowRankLinear(x, weight, bias, torch.to(a, "float32"), torch.to(b, "float32"), 0.5, { gain }))); // biome-ignore format: one line
      const [wx, wa, wb, wGain, wBias] = [x, a, b, gain, bias].map((of) => torch.to(of, "float64")) as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]; // biome-ignore format: one line
      const low = torch.mulScalar(torch.linear(torch.linear(wx, wa), wb), 0.5);
      const wanted = torch.add(torch.mul(torch.add(torch.linear(wx, values), low), wGain), wBias);
      const largest = torch.max(torch.abs(wanted)).item();
      expect(torch.max(torch.abs(torch.sub(torch.to(y, "float64"), wanted))).item() / largest).toBeLessThan(2 ** -8);
    });
  });

  test("a row's bits depend neither on threads nor on other rows, nor on other weights in the same call", () => {
    torch.scope(() => {
      const shape = shapesOf(format)[1] as readonly [number, number];
      const weight = random(format, shape, "bfloat16");
      const x = drawer(2)([45, shape[1]], "bfloat16");
      const product = (rows: torch.Tensor) => torch.withIntegerProducts(() => torch.fastLinear(rows, weight));
      const all = withThreads(1, () => product(x));
      expect(
        torch.equal(
          withThreads(3, () => product(x)),
          all,
        ),
      ).toBe(true);
      for (const [
        first,
        rows,
      ] of [[0, 1], [44, 1], [2, 2], [1, 3], [3, 5], [1, 6], [30, 7], [8, 8], [7, 9], [5, 16], [20, 17], [4, 41]] as const) // biome-ignore format: one line
        expect(torch.equal(product(torch.narrow(x, 0, first, rows)), torch.narrow(all, 0, first, rows))).toBe(true);
      const dense = torch.decodeWeight(weight);
      for (const rows of [8, 16, 45]) {
        const [some, wanted] = [torch.narrow(x, 0, 0, rows), torch.narrow(all, 0, 0, rows)];
        const together = torch.withIntegerProducts(() => torch.fastLinears(some, [dense, weight, weight], []));
        for (const result of together.slice(1)) expect(torch.equal(result, wanted)).toBe(true);
      }
    });
  });
});

test.runIf(hasThem)("weights of different formats in the same call", () => {
  torch.scope(() => {
    const x = drawer(8)([3, 1280], "bfloat16");
    const weights = ["nf4", "q4_k", "int8", "q4_0", "nf4", "q8_0", "fp4"].map((format) =>
      random(format, [70, 1280], "bfloat16"),
    );
    const together = torch.withIntegerProducts(() => torch.fastLinears(x, weights, []));
    for (const [i, weight] of weights.entries()) {
      const alone = torch.withIntegerProducts(() => torch.fastLinear(x, weight));
      expect(torch.equal(together[i] as torch.Tensor, alone)).toBe(true);
    }
  });
});

test.each(["nf4", "int8", "q8_0", "q4_k"])("%s: a product of no inputs is 0", (format) => {
  torch.scope(() => {
    const x = torch.zeros([2, 0], { dtype: "bfloat16" });
    const y = torch.withIntegerProducts(() => torch.fastLinear(x, random(format, [3, 0], "bfloat16")));
    expect(torch.castTo(y, "float32").toArray()).toEqual([0, 0, 0, 0, 0, 0]);
  });
});

test.runIf(hasThem).each([
  ["q4_k", 512],
  ["q4_0", 544],
  ["q8_0", 544],
] as const)(
  "%s, %i columns: rows of zeros give zeros, tiny rows do too, and what is not finite stays so in its row alone",
  (format, columns) => {
    torch.scope(() => {
      const weight = random(format, [70, columns], "bfloat16");
      const rows = drawer(3)([6, columns], "float32").toArray() as number[];
      const set = (row: number, change: (value: number, column: number) => number) => {
        for (let i = 0; i < columns; ++i) rows[row * columns + i] = change(rows[row * columns + i] as number, i);
      };
      set(0, () => 0);
      set(1, (value) => value * 2 ** -120);
      set(2, (value, i) => (i === 300 ? Number.POSITIVE_INFINITY : value));
      set(3, (value, i) => (i === 3 ? Number.NaN : value));
      set(4, (value) => value * 2 ** 100);
      const x = torch.castTo(torch.tensor(rows, [6, columns], "float32"), "bfloat16");
      const y = torch.castTo(torch.withIntegerProducts(() => torch.fastLinear(x, weight)), "float32").toArray() as number[]; // biome-ignore format: one line
      const row = (i: number) => y.slice(i * 70, i * 70 + 70);
      for (const i of [0, 1]) expect(row(i).every((value) => value === 0)).toBe(true);
      for (const i of [2, 3]) expect(row(i).some(Number.isFinite)).toBe(false);
      for (const i of [4, 5]) expect(row(i).every((value) => Number.isFinite(value) && value !== 0)).toBe(true);
    });
  },
);

test("other products are as without: in float32, of rows that are not whole blocks, of dense weights, and gradients", () => {
  torch.scope(() => {
    const draw = drawer(4);
    const alike = (weight: torch.Tensor, x: torch.Tensor) => {
      const compute = () => torch.fastLinear(x, weight);
      expect(torch.equal(torch.withIntegerProducts(compute), compute())).toBe(true);
    };
    const weight = random("q4_k", [70, 512], "bfloat16");
    alike(random("q4_k", [70, 512], "float32"), draw([2, 512], "float32"));
    alike(random("nf4", [70, 96], "bfloat16"), draw([2, 96], "bfloat16"));
    alike(random("int8", [70, 50], "bfloat16"), draw([2, 50], "bfloat16"));
    alike(torch.decodeWeight(weight), draw([2, 512], "bfloat16"));
    const gradient = draw([2, 70], "bfloat16");
    const ofInput = () => {
      const x = torch.zeros([2, 512], { dtype: "bfloat16" }).setRequiresGrad(true);
      return torch.grad([torch.fastLinear(x, weight)], [x], { gradOutputs: [gradient] })[0] as torch.Tensor;
    };
    expect(torch.equal(torch.withIntegerProducts(ofInput), ofInput())).toBe(true);
  });
});

test.runIf(hasThem)("the setting ends with the call, even with an error, and calls may be nested", () => {
  torch.scope(() => {
    const weight = random("q4_k", [70, 512], "bfloat16");
    const x = drawer(5)([1, 512], "bfloat16");
    const product = () => torch.fastLinear(x, weight);
    const [usual, integer] = [product(), torch.withIntegerProducts(product)];
    expect(torch.equal(usual, integer)).toBe(false);
    const nested = torch.withIntegerProducts(() => [torch.withIntegerProducts(product), product()]);
    for (const result of nested) expect(torch.equal(result, integer)).toBe(true);
    const fail = () => torch.withIntegerProducts(() => { throw new Error("no"); }); // biome-ignore format: one line
    expect(fail).toThrow("no");
    expect(torch.equal(product(), usual)).toBe(true);
  });
});

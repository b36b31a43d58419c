// Packed weights: their values as bitsandbytes and gguf decode them, and products with them as with the dense values.
// Shapes: x [n, in], W [out, in], A [r, in], B [out, r].

import { join } from "node:path";
import { afterAll, describe, expect, test } from "vitest";
import { openGguf } from "../../../src/formats/gguf/file.js";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN } from "../../support/golden.js";
import { differentiated, drawer, expectAlike, expectRowsAlone } from "./support.js";

const golden = (name: string) => join(GOLDEN, `io/${name}`);
const packed = openSafetensors(golden("bitsandbytes/packed.safetensors"));
const blocks = openGguf(golden("gguf/types.gguf"));
const values = openSafetensors(golden("gguf/types.safetensors"));
afterAll(() => {
  for (const file of [packed, blocks, values]) file.close();
});

const DTYPES = ["float32", "bfloat16"] as const;
const GGML_TYPES = ["Q8_0", "Q4_0", "Q4_1", "Q5_0", "Q5_1", "Q4_K", "Q5_K", "Q6_K"] as const;

/** A layer of the golden file with bitsandbytes' formats. */
function fourBits(name: string, dtype: torch.DType): torch.Tensor {
  const layer = `${name}.weight`;
  const format = name.slice(0, 3);
  const state = JSON.parse(Buffer.from(packed.readBytes(`${layer}.quant_state.bitsandbytes__${format}`)).toString());
  const flat = (part: string) => torch.flatten(packed.readTensor(part));
  const nested = state.nested_blocksize
    ? [
        flat(`${layer}.nested_quant_map`),
        flat(`${layer}.nested_absmax`),
        torch.tensor([state.nested_offset], [1], "float32"),
      ]
    : [];
  const sizes = [state.blocksize, ...(state.nested_blocksize ? [state.nested_blocksize] : [])];
  return torch.packedWeight([flat(layer), flat(`${layer}.absmax`), ...nested], format, sizes, state.shape, dtype);
}

function rowsOfBytes(dtype: torch.DType): torch.Tensor {
  const scales = torch.mulScalar(packed.readTensor("int8.SCB"), 1 / 127);
  return torch.packedWeight([packed.readTensor("int8.weight"), scales], "int8", [], [20, 50], dtype);
}

/** A tensor of the golden file with ggml's formats: [rows, columns]. */
function ofBlocks(type: (typeof GGML_TYPES)[number], dtype: torch.DType): torch.Tensor {
  const bytes = blocks.readBytes(type);
  const { shape } = blocks.info(type);
  return torch.packedWeight([torch.fromBytes(bytes, [bytes.length], "uint8")], type.toLowerCase(), [], shape, dtype);
}

describe.each(DTYPES)("values in %s", (dtype) => {
  const suffix = dtype === "bfloat16" ? ".bfloat16" : "";

  test.each(["nf4", "nf4-double", "nf4-odd", "nf4-wide", "fp4", "fp4-double"])("%s, as bitsandbytes", (name) => {
    torch.scope(() => {
      const weight = fourBits(name, dtype);
      expect(weight.dtype).toBe(dtype);
      expect(torch.equal(torch.decodeWeight(weight), packed.readTensor(`${name}.values${suffix}`))).toBe(true);
    });
  });

  test("int8, as bitsandbytes", () => {
    torch.scope(() => {
      expect(torch.equal(torch.decodeWeight(rowsOfBytes(dtype)), packed.readTensor(`int8.values${suffix}`))).toBe(true);
    });
  });

  test.each(GGML_TYPES)("%s, as gguf", (type) => {
    torch.scope(() => {
      const wanted = torch.to(values.readTensor(type), dtype);
      expect(torch.equal(torch.decodeWeight(ofBlocks(type, dtype)), wanted)).toBe(true);
    });
  });
});

/** A packed matrix of random codes. */
function random(format: "nf4" | "int8" | "q8_0", [rows, columns]: readonly [number, number], dtype: torch.DType) {
  const generator = new torch.Generator(rows + columns);
  const count = rows * columns;
  const codes = (n: number) =>
    torch.castTo(torch.randint(256, [n], { generator, dtype: "int64" }), "uint8") as torch.Tensor;
  const scales = (n: number) => torch.castTo(torch.normal_(torch.empty([n]), 0, 0.1, { generator }), "float32");
  if (format === "nf4")
    return torch.packedWeight(
      [codes(Math.ceil(count / 2)), scales(Math.ceil(count / 64))],
      "nf4",
      [64],
      [rows, columns],
      dtype,
    );
  if (format === "int8") {
    const signed = torch.castTo(torch.subScalar(torch.castTo(codes(count), "int64"), 128), "int8");
    return torch.packedWeight([signed, scales(rows)], "int8", [], [rows, columns], dtype);
  }
  const bytes = codes((count / 32) * 34).bytes();
  for (let i = 0; i < bytes.length; i += 34) bytes[i + 1] = 0x28 + (i % 7); // a scale of moderate size
  return torch.packedWeight([torch.fromBytes(bytes, [bytes.length], "uint8")], "q8_0", [], [rows, columns], dtype);
}

const TOLERANCES = { float32: 2e-6, bfloat16: 2 ** -7 } as const;
const SHAPES = [
  ["nf4", [66, 96]],
  ["nf4", [200, 1090]],
  ["nf4", [5, 27]],
  ["nf4", [1030, 64]],
  ["int8", [130, 50]],
  ["q8_0", [67, 1056]],
  ["q8_0", [1536, 160]],
] as const;
/** AMX multiplies such depths in parts; float32, which has no such parts, loses more digits to them than the tolerance. */
const DEEP = [
  ["nf4", [4230, 64]],
  ["int8", [70, 4230]],
] as const;

describe.each(DTYPES)("products in %s", (dtype) => {
  const tolerance = TOLERANCES[dtype];

  const shapes = dtype === "bfloat16" ? [...SHAPES, ...DEEP] : SHAPES;

  test.each(shapes)("%s of [%i]: forward, and the input's gradient", (format, shape) => {
    const [out, columns] = shape;
    for (const n of [1, 2, 5, 16, 17, 70, 200])
      torch.scope(() => {
        const draw = drawer(n);
        const weight = random(format, shape, dtype);
        const dense = torch.to(torch.decodeWeight(weight), "float64");
        const [x, bias, g] = [draw([n, columns], dtype), draw([out], dtype), draw([n, out], dtype)];
        const leaf = torch.detach(x).setRequiresGrad(true);
        const wide = torch.to(torch.detach(x), "float64").setRequiresGrad(true);
        expectAlike(
          differentiated(torch.fastLinear(leaf, weight, bias), [leaf], g),
          differentiated(torch.linear(wide, dense, torch.to(bias, "float64")), [wide], g),
          tolerance,
        );
      });
  });

  test.each(shapes)("%s of [%i]: with a low-rank update and a gain", (format, shape) => {
    const [out, columns] = shape;
    for (const n of [3, 16, 90])
      torch.scope(() => {
        const draw = drawer(n);
        const weight = random(format, shape, dtype);
        const dense = torch.to(torch.decodeWeight(weight), "float64");
        const bias = draw([out], dtype);
        const tensors = [draw([n, columns], dtype), draw([7, columns], "float32"), draw([out, 7], "float32")];
        const [x, a, b] = tensors.map((tensor) => tensor.setRequiresGrad(true)) as [torch.Tensor, torch.Tensor, torch.Tensor]; // biome-ignore format: one line
        const gain = torch.addScalar(torch.abs(draw([out], "float32")), 0.5).setRequiresGrad(true);
        const [wx, wa, wb, wGain] = [x, a, b, gain].map((leaf) => torch.to(torch.detach(leaf), "float64").setRequiresGrad(true)) as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor]; // biome-ignore format: one line
        const y = torch.lowRankLinear(x, weight, bias, a, b, 0.5, { gain });
        const low = torch.mulScalar(torch.linear(torch.linear(wx, wa), wb), 0.5);
        const wanted = torch.add(torch.mul(torch.add(torch.linear(wx, dense), low), wGain), torch.to(bias, "float64"));
        const g = draw([n, out], dtype);
        expectAlike(
          differentiated(y, [x, a, b, gain], g),
          differentiated(wanted, [wx, wa, wb, wGain], g),
          4 * tolerance,
        );
      });
  });

  /** Where a library computes products, they depend on the number of rows. */
  const hasOwnProduct = torch.engineFacts().ownProducts.includes(dtype);

  test.skipIf(!hasOwnProduct).each([1090, 4230])(
    "a row's bits depend neither on threads nor on other rows: rows of %i",
    (columns) => {
      torch.scope(() => {
        const weight = random("nf4", [200, columns], dtype);
        expectRowsAlone(drawer(1)([300, columns], dtype), weight, torch.decodeWeight(weight));
      });
    },
  );

  test.each(SHAPES)("norms of directions with %s of [%i]", (format, shape) => {
    torch.scope(() => {
      const draw = drawer(4);
      const weight = random(format, shape, dtype);
      const dense = torch.decodeWeight(weight);
      const squares = torch.sumDim(torch.square(torch.to(dense, "float32")), [1]);
      const [a, b] = [draw([5, shape[1]], "float32"), draw([shape[0], 5], "float32")].map((leaf) => leaf.setRequiresGrad(true)) as [torch.Tensor, torch.Tensor]; // biome-ignore format: one line
      const g = draw([shape[0]], "float32");
      const norms = (of: torch.Tensor) => differentiated(torch.directionNorm(of, squares, a, b, 0.3, 1e-3, 1e-30), [a, b], g); // biome-ignore format: one line
      for (const [i, tensor] of norms(weight).entries()) expect(torch.equal(tensor!, norms(dense)[i]!)).toBe(true);
    });
  });
});

test("libtorch's operators decode a packed weight, and can't change it; others refuse it", () => {
  torch.scope(() => {
    const weight = random("nf4", [66, 96], "float32");
    const dense = torch.decodeWeight(weight);
    const alike: ((of: torch.Tensor) => torch.Tensor)[] = [
      (of) => torch.add(of, of),
      (of) => torch.to(of, "bfloat16"),
      (of) => torch.mm(torch.t(of), of),
      (of) => torch.cat([of, dense]),
      (of) => torch.detach(of),
      (of) => torch.indexSelect(of, 0, torch.tensor([3, 1], [2], "int64")),
    ];
    for (const compute of alike) expect(torch.equal(compute(weight), compute(dense))).toBe(true);
    const x = torch.ones([2, 96]).setRequiresGrad(true);
    for (const of of [weight, dense]) torch.backward(torch.sum(torch.square(torch.linear(x, of))));
    expect(torch.equal(torch.mulScalar(x.grad!, 0.5), torch.grad([torch.sum(torch.square(torch.linear(x, dense)))], [x])[0]!)).toBe(true); // biome-ignore format: one line
    const away = torch.empty([2, 96], { device: "meta" });
    expect(() => torch.fastLinear(away, weight)).toThrow("expected all tensors on the same device");
    expect(() => torch.fill_(weight, 0)).toThrow("a packed weight can't be changed");
    expect(() => torch.fastLinear(weight, weight)).toThrow("expected a dense tensor, got a packed weight");
    expect(() => torch.fastLinear(torch.zeros([2, 96], { dtype: "bfloat16" }), weight)).toThrow("dtype");
  });
});

// Whatever operands come, an operator of ours raises an error or gives the right value; none ends the process.
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import type { Handle } from "../../../src/torch/native/interface.js";
import { native } from "../../../src/torch/native/native.js";
import { CODE_VALUES, STATE_BLOCK } from "../../../src/torch/operators/adamw8bit.js";

const OURS = torch.OPERATORS.flatMap((name, number) => (name.startsWith("bidora::") ? [{ name, number }] : []));
const DTYPES = ["float32", "float64", "bfloat16", "float16", "int64", "bool"] as const;
const SIZES = [0, 1, 2, 3, 5, 16, 64, 65] as const;
const INTEGERS = [-1, 0, 1, 2, 3, 2 ** 40] as const;
const NUMBERS = [-1, 0, 0.5, 1, 2, Number.NaN, Number.POSITIVE_INFINITY] as const;
const CALLS = 1000;

/** Integers below `count`, the same for the same seed. */
function chooser(seed: number): <T>(from: readonly T[]) => T {
  let state = seed >>> 0;
  return (from) => {
    state = (Math.imul(state, 1664525) + 1013904223) >>> 0;
    return from[Math.floor((state / 2 ** 32) * from.length)]!;
  };
}

/** An operator's own seed, whatever other operators there are. */
const seedOf = (name: string): number =>
  [...name].reduce((seed, letter) => Math.imul(seed, 31) + letter.charCodeAt(0), 7);

type Choose = ReturnType<typeof chooser>;

/** Dense, transposed, cut out, repeated without memory, or without any: most in one dtype and one size, so that calls get far. */
function anyTensor(choose: Choose, usual: Usual): torch.Tensor {
  const dtype = choose([true, true, true, false]) ? usual.dtype : choose(DTYPES);
  const size = () => (choose([true, true, false]) ? usual.size : choose(SIZES));
  const shape = Array.from({ length: choose([0, 1, 1, 2, 2, 2, 3]) }, size);
  const plain = () => torch.to(torch.ones(shape, { dtype: "float32" }), dtype);
  const [first = 1, second = 1] = shape;
  const forms: (() => torch.Tensor)[] = [
    plain,
    plain,
    () => (shape.length === 2 ? torch.t(torch.to(torch.ones([second, first]), dtype)) : plain()),
    () =>
      shape.length > 0
        ? torch.narrow(torch.to(torch.ones([first + 3, ...shape.slice(1)]), dtype), 0, 1, first)
        : plain(),
    () => torch.expand(torch.to(torch.ones([1]), dtype), shape.length > 0 ? shape : [1]),
    () => torch.empty(shape, { dtype, device: "meta" }),
    () => torch.tensor([0, usual.size], [2], "int64"),
    () => plain().setRequiresGrad(dtype.includes("float")),
  ];
  return choose(forms)();
}

interface Usual {
  readonly size: number;
  readonly dtype: torch.DType;
}

/** The same numbers in another layout: a transposed copy's transpose, or a part of something larger. */
function laidOut(tensor: torch.Tensor, choose: Choose): torch.Tensor {
  const forms: (() => torch.Tensor)[] = [
    () => tensor,
    () => (tensor.shape.length === 2 ? torch.t(torch.clone(torch.contiguous(torch.t(tensor)))) : tensor),
    () => {
      const last = tensor.shape.length - 1;
      return last < 0 ? tensor : torch.narrow(torch.cat([tensor, tensor], last), last, 0, tensor.shape[last]!);
    },
    () => torch.clone(tensor).setRequiresGrad(tensor.dtype.includes("float")),
  ];
  return choose(forms)();
}

const rowsOfBytes = (size: number) => [torch.zeros([size, 4], { dtype: "int8" }), torch.ones([size])];
const packed = ({ size }: Usual) => torch.packedWeight(rowsOfBytes(size), "int8", [], [size, 4], "float32");

/** Arguments that go together. */
const FITTING: Readonly<Record<string, (usual: Usual) => readonly unknown[]>> = {
  "bidora::attention": (usual) => attended(usual, [6, 3, 3]),
  "bidora::attention_cached": ({ size, dtype }) => {
    const [queries, places] = [torch.ones([size, 6], { dtype }), torch.ones([size + 3, 3], { dtype })];
    const starts = torch.tensor(size > 0 ? [0, size] : [0], undefined, "int64");
    const [first, length] = [[2], [size]].map((of) => torch.tensor(size > 0 ? of : [], undefined, "int64"));
    if (dtype !== "bfloat16") return [queries, places, places, starts, first, length, 2, 1, 0.5, 3];
    const [codes, scales] = [torch.ones([size + 3, 3], { dtype: "int8" }), torch.ones([size + 3, 1])];
    return [queries, codes, codes, starts, first, length, 2, 1, 0.5, 3, scales, scales];
  },
  "bidora::write_rows_": ({ size, dtype }) => {
    const starts = torch.tensor(size > 0 ? [0, size] : [0], undefined, "int64");
    const first = torch.tensor(size > 0 ? [2] : [], undefined, "int64");
    return [torch.ones([size + 3, 3], { dtype }), torch.ones([size, 3], { dtype }), starts, first];
  },
  "bidora::write_rows_int8_": ({ size, dtype }) => {
    const starts = torch.tensor(size > 0 ? [0, size] : [0], undefined, "int64");
    const first = torch.tensor(size > 0 ? [2] : [], undefined, "int64");
    const [codes, scales] = [torch.ones([size + 3, 6], { dtype: "int8" }), torch.ones([size + 3, 2])];
    return [codes, scales, torch.ones([size, 6], { dtype }), starts, first];
  },
  "bidora::attention_tangent": (usual) => attended(usual, [6, 3, 3, 6, 3, 3]),
  "bidora::attention_tangent_backward": (usual) => attended(usual, [6, 3, 3, 6, 3, 3, 6, 6]),
  "bidora::attention_mask": ({ size, dtype }) => [
    torch.ones([1], { dtype }),
    [0, 3],
    [size, 2],
    [2, size],
    2,
    0.5,
    1,
    2,
  ],
  "bidora::dropout": ({ size, dtype }) => [torch.ones([size, 3], { dtype }), 0.5, 1, 2],
  "bidora::dropout_add_norm": (usual) => [...normed(usual).slice(0, 5), ...NORMED],
  "bidora::dropout_add_norm_tangent": (usual) => [...normed(usual), ...NORMED],
  "bidora::dropout_add_norm_tangent_backward": (usual) => [...normed(usual), ...rows(usual, 4), ...NORMED],
  "bidora::row_norm": ({ size, dtype }) => [
    torch.ones([4, size], { dtype }),
    ...[1, 2].map(() => torch.ones([size], { dtype })),
    0.5,
    true,
  ],
  "bidora::row_norm_tangent": ({ size, dtype }) => [...normedRows({ size, dtype }, 1), false],
  "bidora::row_norm_tangent_backward": ({ size, dtype }) => [...normedRows({ size, dtype }, 3), true],
  "bidora::rotary": ({ size, dtype }) => {
    const angles = () => torch.ones([3, Math.floor(size / 2) * 2]);
    return [torch.ones([3, 2 * size], { dtype }), angles(), angles(), 2, false];
  },
  "bidora::gelu": (usual) => [...rows(usual, 1), "none"],
  "bidora::silu": (usual) => rows(usual, 1),
  "bidora::gelu_mul": (usual) => [...rows(usual, 2), "tanh"],
  "bidora::silu_mul": (usual) => rows(usual, 2),
  "bidora::gelu_tangent": (usual) => [...rows(usual, 2), "none"],
  "bidora::gelu_tangent_backward": (usual) => [...rows(usual, 4), "tanh"],
  "bidora::gated_tangent": (usual) => [...rows(usual, 4), "silu"],
  "bidora::gated_tangent_backward": (usual) => [...rows(usual, 6), "gelu_tanh"],
  "bidora::linear": (usual) => lowRank(usual).slice(0, 3),
  "bidora::packed_weight": ({ size }) => [rowsOfBytes(size), "int8", [], [size, 4], "float32"],
  "bidora::decode_weight": (usual) => [packed(usual)],
  "bidora::decode_rows": (usual) => [packed(usual), torch.zeros([usual.size], { dtype: "int64" })],
  "bidora::quantize_weight": ({ size }) => [torch.ones([size, 4]), "int8", 0],
  "bidora::linears": (usual) => {
    const [input, weight, bias] = lowRank(usual);
    return [input, [weight, weight], [bias, bias]];
  },
  "bidora::linear_cross_entropy": (usual) => {
    const [input, weight, bias] = lowRank(usual) as [torch.Tensor, torch.Tensor, torch.Tensor];
    return [input, weight, bias, torch.zeros([input.shape[0] as number], { dtype: "int64" }), null, 0];
  },
  "bidora::linear_cross_entropy_tangent": (usual) => {
    const [input, weight, bias] = lowRank(usual) as [torch.Tensor, torch.Tensor, torch.Tensor];
    return [input, torch.onesLike(input), weight, bias, 0];
  },
  "bidora::linear_input_gradient": ({ size, dtype }) => [
    torch.ones([4, 3], { dtype }),
    torch.ones([3, size], { dtype }),
  ],
  "bidora::low_rank_linear": (usual) => lowRank(usual),
  "bidora::low_rank_linear_tangent": (usual) => {
    const [x, weight, bias, a, b, scale, gain, xDot] = lowRank(usual);
    return [x, xDot, weight, bias, a, b, scale, a, b, gain, gain, torch.ones([4, 3], { dtype: usual.dtype })];
  },
  "bidora::low_rank_linear_tangent_backward": (usual) => {
    const [, weight, bias, a, b, scale, gain] = lowRank(usual);
    const ofResult = () => torch.ones([4, 3], { dtype: usual.dtype });
    const factors = [weight, bias, a, b, scale, a, b, gain, gain];
    return [ofResult(), ofResult(), ...factors, ofResult(), ofResult(), true, true];
  },
  "bidora::direction_norm_tangent": ({ size, dtype }) => {
    const trained = dtype === "bfloat16" ? "float32" : dtype;
    const [base, a, b, norm] = [[size], [3, 5], [size, 3], [size]].map((shape) =>
      torch.ones(shape, { dtype: trained }),
    );
    return [torch.ones([size, 5], { dtype }), base, a, b, 0.5, 1e-3, 1e-12, norm, a, b];
  },
  "bidora::direction_norm": ({ size, dtype }) => {
    const trained = dtype === "bfloat16" ? "float32" : dtype;
    const [base, a, b] = [[size], [3, 5], [size, 3]].map((shape) => torch.ones(shape, { dtype: trained }));
    return [torch.ones([size, 5], { dtype }), base, a, b, 0.5, 1e-3, 1e-12];
  },
  "bidora::direction_gain": ({ size, dtype }) => {
    const trained = dtype === "bfloat16" ? "float32" : dtype;
    const shapes = [[size], [3, 5], [size, 3], [size]];
    const [base, a, b, magnitude] = shapes.map((shape) => torch.ones(shape, { dtype: trained }));
    return [torch.ones([size, 5], { dtype }), base, a, b, magnitude, 0.5, 1e-3, 1e-12];
  },
  "bidora::gram_tiles": ({ size, dtype }) => [torch.ones([3, size], { dtype })],
  "bidora::gram_form": ({ size, dtype }) => {
    const [blocks, trained] = [Math.ceil(size / 64), dtype === "bfloat16" ? "float32" : dtype];
    const others = [[size], [size], [2, size], [2, size]].map((shape) => torch.ones(shape, { dtype: trained }));
    return [torch.ones([(blocks * (blocks + 1)) / 2, 64, 64], { dtype }), ...others];
  },
  "bidora::orthogonality": (usual) => [...orthogonalLayer(usual).map((tensor) => [tensor]), [0.5], 1e-3, 1e-26],
  "bidora::total_norm": ({ size, dtype }) => [[torch.ones([size], { dtype }), torch.ones([], { dtype })]],
  "bidora::scaled": ({ size, dtype }) => [[torch.ones([size], { dtype }), torch.ones([3, size], { dtype })], 0.5],
  "bidora::adamw_": ({ size, dtype }) => [
    ...[0, 1, 2, 3].map(() => [torch.ones([3, size], { dtype }), torch.ones([size], { dtype })]),
    ...[1, 0.1, 0.9, 0.99, 0.1, 1e-8],
  ],
  "bidora::adamw_8bit_": (usual) => [
    ...[0, 1].map(() => [torch.ones([90, usual.size], { dtype: usual.dtype })]),
    ...[0, 1].flatMap(() => moments8bit(90 * usual.size, [90, usual.size])),
    ...[CODE_VALUES.signed, CODE_VALUES.unsigned].map((values) => torch.tensor(values)),
    ...[1, 0.1, 0.9, 0.99, 0.1, 1e-8],
  ],
};

const moments8bit = (numel: number, shape: readonly number[]): readonly unknown[] => [
  [torch.zeros(shape, { dtype: "uint8" })],
  [torch.zeros([Math.ceil(numel / STATE_BLOCK)])],
];

/** Whether there is a center, and what is dropped. */
const NORMED = [true, 0.5, 1, 2] as const;

/** Rows of these widths, starts, heads, heads of keys, scale, bias, keys before and after, and what is dropped. */
function attended({ size, dtype }: Usual, widths: readonly number[]): readonly unknown[] {
  const starts = () => torch.tensor(size > 0 ? [0, size] : [0], undefined, "int64");
  const rows = widths.map((width) => torch.ones([size, width], { dtype }));
  return [...rows, starts(), starts(), 2, 1, 1, torch.ones([2, size + 1, size], { dtype }), 3, 2, 0.5, 1, 2];
}

const rows = ({ size, dtype }: Usual, count: number): readonly unknown[] =>
  Array.from({ length: count }, () => torch.ones([3, size], { dtype }));

function normed(usual: Usual): readonly unknown[] {
  const row = () => torch.ones([usual.size], { dtype: usual.dtype });
  return [...rows(usual, 2), row(), row(), 1e-5, ...rows(usual, 2)];
}

function normedRows(usual: Usual, count: number): readonly unknown[] {
  const [x, ...others] = rows(usual, 1 + count);
  return [x, torch.ones([usual.size], { dtype: usual.dtype }), 1e-5, ...others];
}

/** One layer of 4 outputs and `size` inputs, and of rank 2: weight, tiles, diagonal, A and B. */
function orthogonalLayer({ size, dtype }: Usual): readonly torch.Tensor[] {
  const blocks = Math.ceil(size / 64);
  const trained = dtype === "bfloat16" ? "float32" : dtype;
  return [
    torch.ones([4, size], { dtype }),
    torch.ones([(blocks * (blocks + 1)) / 2, 64, 64], { dtype }),
    ...[[size], [2, size], [4, 2]].map((shape) => torch.ones(shape, { dtype: trained })),
  ];
}

function lowRank({ size, dtype }: Usual): readonly unknown[] {
  const shapes = [[4, size], [3, size], [3], [2, size], [3, 2]];
  return [
    ...shapes.map((shape) => torch.ones(shape, { dtype })),
    0.5,
    torch.ones([3], { dtype }),
    torch.ones([4, size], { dtype }),
  ];
}

const isTensors = (value: unknown): value is readonly torch.Tensor[] =>
  Array.isArray(value) && value[0] instanceof torch.Tensor;

/** Some arguments of a call that fits get another memory layout, some are replaced. */
function spoilt(values: readonly unknown[], choose: Choose, usual: Usual): readonly unknown[] {
  return values.map((value) => {
    const isReplaced = choose([true, ...new Array(2 * values.length).fill(false)]);
    const spoiltTensor = (tensor: torch.Tensor) =>
      (isReplaced ? anyTensor(choose, usual) : laidOut(tensor, choose)).handle;
    if (value instanceof torch.Tensor) return spoiltTensor(value);
    if (isTensors(value)) return isReplaced && choose([true, false]) ? [] : value.map(spoiltTensor);
    if (!isReplaced) return value;
    if (Array.isArray(value)) return Array.from({ length: choose([0, 1, 2]) }, () => choose([-1, 0, 1, 3, 17]));
    return choose<number | null>([...INTEGERS, ...NUMBERS, null]);
  });
}

/** Calls, and where that went well differentiates. */
function tryOnce(number: number, values: readonly unknown[], isRecorded: boolean): "value" | "error" {
  const call = () => native.call(number, ...values);
  try {
    const result = isRecorded ? call() : torch.noGrad(call);
    const handles = [result ?? values[0]].flat() as Handle[];
    for (const handle of handles) {
      native.toBytes(handle, native.describe(handle)[0]);
      if (native.requiresGrad(handle))
        native.backward([native.call(torch.OPERATORS.indexOf("aten::sum"), handle) as Handle], [null], true, false);
    }
    return "value";
  } catch (error) {
    expect(error).toBeInstanceOf(torch.TorchError);
    return "error";
  }
}

describe("operands of every layout and dtype", () => {
  test.each(OURS)("$name", ({ name, number }) => {
    const choose = chooser(seedOf(name));
    const ends = { value: 0, error: 0 };
    for (let i = 0; i < CALLS; i++) {
      torch.scope(() => {
        const usual = { size: choose(SIZES), dtype: choose(DTYPES) };
        ends[tryOnce(number, spoilt(FITTING[name]!(usual), choose, usual), choose([true, false]))]++;
      });
    }
    expect(ends.value, "calls that go through").toBeGreaterThan(CALLS / 25);
    expect(ends.error, "calls that are refused").toBeGreaterThan(CALLS / 25);
  });
});

describe("empty operands", () => {
  const [none, some] = [0, 3];
  const leaf = (...shape: number[]) => torch.ones(shape).setRequiresGrad(true);

  test.each([
    [none, some],
    [some, none],
    [none, none],
  ])("rows: %i, width: %i", (rows, width) => {
    torch.scope(() => {
      const x = leaf(rows, width);
      const offsets = torch.tensor(rows > 0 ? [0, rows] : [0], undefined, "int64");
      const low = () =>
        torch.lowRankLinear(x, torch.ones([2, width]), null, leaf(1, width), leaf(2, 1), 1, { gain: leaf(2) });
      const results = [
        torch.dropout(x, 0.5, 1, 2),
        torch.fusedGelu(x),
        torch.siluMul(x, x),
        torch.rowNorm(x, leaf(width), leaf(width), 1e-5),
        ...torch.dropoutAddNorm(x, x, leaf(width), leaf(width), 1e-5, { p: 0.5, seed: 1, stream: 2 }),
        torch.attention(x, x, x, offsets, offsets, 1, 1, 1),
        low(),
      ];
      expect(results.map((y) => y.shape)).toEqual([
        [rows, width],
        [rows, width],
        [rows, width],
        [rows, width],
        [rows, width],
        [rows, width],
        [rows, width],
        [rows, 2],
      ]);
      for (const y of results)
        expect(torch.grad([torch.sum(y)], [x], { allowUnused: true, retainGraph: true })[0]!.shape).toEqual([
          rows,
          width,
        ]);
      expect(low().toArray()).toEqual(new Array(rows * 2).fill(0 + 0));
    });
  });

  test("norms of a weight without rows, columns or rank", () => {
    torch.scope(() => {
      const norm = (out: number, width: number, rank: number) =>
        torch.directionNorm(
          torch.ones([out, width], { dtype: "bfloat16" }),
          torch.mulScalar(torch.ones([out]), width),
          leaf(rank, width),
          leaf(out, rank),
          1,
          1e-3,
          1e-12,
        );
      expect(norm(0, 3, 2).toArray()).toEqual([]);
      expect(norm(2, 0, 2).toArray()).toEqual([1e-12, 1e-12].map(Math.fround));
      expect(norm(2, 4, 0).toArray()).toEqual([2, 2]);
      torch.backward(torch.sum(norm(2, 4, 0)));
    });
  });
});

test("tiles of another size are refused", () => {
  torch.scope(() => {
    const [v, p] = [torch.ones([64]), torch.ones([2, 64])];
    expect(() => torch.gramForm(torch.ones([1, 64, 1]), v, v, p, p)).toThrow(
      /expected contiguous tiles of a matrix of 64 columns/,
    );
    expect(() => torch.gramForm(torch.ones([1, 1, 1]), v, v, p, p)).toThrow(
      /expected contiguous tiles of a matrix of 64 columns/,
    );
  });
});

/** Which arguments of FITTING are trained, for the operators that have a derivative. */
const TRAINED: Readonly<Record<string, readonly number[]>> = {
  "bidora::attention": [0, 1, 2],
  "bidora::dropout": [0],
  "bidora::dropout_add_norm": [0, 1, 2, 3],
  "bidora::row_norm": [0, 1, 2],
  "bidora::rotary": [0],
  "bidora::gelu": [0],
  "bidora::silu": [0],
  "bidora::gelu_mul": [0, 1],
  "bidora::silu_mul": [0, 1],
  "bidora::linear": [0, 1, 2],
  "bidora::linear_input_gradient": [0, 1],
  "bidora::linear_cross_entropy": [0, 1, 2],
  "bidora::low_rank_linear": [0, 2, 3, 4, 6, 7],
  "bidora::direction_norm": [2, 3],
  "bidora::direction_gain": [2, 3, 4],
  "bidora::gram_form": [2, 3, 4],
  "bidora::orthogonality": [3, 4],
};

const onMeta = (tensor: torch.Tensor) => torch.empty(tensor.shape, { dtype: tensor.dtype, device: "meta" });

const mapped = (value: unknown, map: (tensor: torch.Tensor) => unknown): unknown => {
  if (value instanceof torch.Tensor) return map(value);
  return isTensors(value) ? value.map(map) : value;
};

const handles = (values: readonly unknown[]) => values.map((value) => mapped(value, (tensor) => tensor.handle));

describe("the dispatcher picks a kernel by the device of all operands", () => {
  const usual = { size: 4, dtype: "float32" } as const;

  test.each(OURS)("$name gives the CPU's shapes and dtypes on the meta device", ({ name, number }) => {
    torch.scope(() => {
      const fitting = FITTING[name]!(usual);
      const describeAll = (values: readonly unknown[]) =>
        [torch.noGrad(() => native.call(number, ...handles(values)) ?? [])]
          .flat()
          .map((handle) => native.describe(handle as Handle));
      const away = fitting.map((value) => mapped(value, onMeta));
      expect(describeAll(away)).toEqual(describeAll(fitting).map((facts) => [...facts, "meta"]));
    });
  });

  test.each(Object.keys(TRAINED))("%s has gradients of the CPU's shapes and dtypes on the meta device", (name) => {
    torch.scope(() => {
      const gradients = (place: (tensor: torch.Tensor) => torch.Tensor) => {
        const values = FITTING[name]!(usual).map((value) => mapped(value, place));
        const leaves = TRAINED[name]!.flatMap((i) => [values[i]].flat() as torch.Tensor[]);
        for (const leaf of leaves) leaf.setRequiresGrad(true);
        const number = torch.OPERATORS.indexOf(name as (typeof torch.OPERATORS)[number]);
        const [handle] = [native.call(number, ...handles(values))].flat() as Handle[];
        const total = torch.sum(new torch.Tensor(handle!));
        return torch
          .grad([total], leaves, { allowUnused: true })
          .map((tensor) => tensor && [tensor.dtype, tensor.shape]);
      };
      const found = gradients(onMeta);
      expect(found).toEqual(gradients((tensor) => torch.clone(tensor)));
      expect(found).not.toContain(undefined);
    });
  });

  test.each(OURS)("$name refuses operands on two devices in one sentence", ({ name, number }) => {
    torch.scope(() => {
      const fitting = FITTING[name]!(usual);
      const places = fitting.flatMap((value, place) =>
        value instanceof torch.Tensor || isTensors(value) ? [place] : [],
      );
      const count = fitting.flat().filter((value) => value instanceof torch.Tensor).length;
      for (const place of count > 1 ? places : []) {
        const given = fitting[place] as torch.Tensor | readonly torch.Tensor[];
        const away = isTensors(given) ? [onMeta(given[0]!), ...given.slice(1)] : onMeta(given);
        expect(() => native.call(number, ...handles(fitting.with(place, away))), `operand ${place}`).toThrow(
          /: expected all tensors on the same device, got some on \w+ and some on \w+$/,
        );
      }
    });
  });

  test("a kind of tensor without a kernel is named in one sentence", () => {
    torch.scope(() => {
      const toSparse = native.declareOperators(["aten::to_sparse"]);
      const sparse = native.call(toSparse, torch.ones([2, 3]).handle) as Handle;
      const number = torch.OPERATORS.indexOf("bidora::dropout");
      expect(() => native.call(number, sparse, 0.5, 1, 2)).toThrow(
        /^bidora::dropout\(.*\): there is no kernel for SparseCPU tensors: expected dense tensors on the CPU\.$/,
      );
      native.releaseOne(sparse);
    });
  });
});

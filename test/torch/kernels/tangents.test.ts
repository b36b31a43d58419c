// Tangents of the operators: against double backward of the plain formulas in float64, and against differences of the
// operators themselves.

import { describe, expect, test } from "vitest";
import {
  type AttentionWindow,
  addThenNorm,
  attend,
  Dropout,
  LayerNorm,
  RmsNorm,
  rowLayout,
  SeededMasks,
} from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { twiceDifferentiable } from "../../../src/torch/operators/choose.js";
import { precise } from "../../support/precise.js";
import { expectSameBits } from "../sameBits.js";
import { drawer, expectAlike, withThreads } from "./support.js";

type Tensors = readonly torch.Tensor[];
type Some = readonly (torch.Tensor | null)[];

const TOLERANCES = [
  ["float64", 1e-13],
  ["float32", 5e-6],
  ["bfloat16", 1.5e-2],
] as const;

const preciseOrNull = (tensors: Some) => tensors.map((x) => x && torch.to(x, "float64"));
const sum = (tensors: Tensors) => tensors.reduce((a, b) => torch.add(a, b));

/** What a formula's values and the gradients of its inputs change by along tangents; a tangent that is null counts as 0. */
interface Expected {
  readonly values: Tensors;
  readonly tangents: Tensors;
  readonly gradients: Tensors;
  readonly gradientTangents: Tensors;
}

/**
 * Σ gᵢ·yᵢ gives gradients; their products with u, differentiated by u and then by the inputs, give tangents.
 * @param inputs in float64, as all that follows
 */
function expectedOf(
  formula: (inputs: Tensors) => Tensors,
  inputs: Tensors,
  inputTangents: Some,
  changes: Tensors,
  changeTangents: Some,
): Expected {
  const leaves = inputs.map((x) => torch.detach(x).setRequiresGrad(true));
  const seeds = changes.map((g) => torch.detach(g).setRequiresGrad(true));
  const values = formula(leaves);
  const gradients = torch.grad(values, leaves, { gradOutputs: seeds, createGraph: true });
  const dot = (a: Tensors, b: Some) =>
    sum(a.map((x, i) => (b[i] ? torch.sum(torch.mul(x, b[i])) : torch.mulScalar(torch.sum(x), 0))));
  const along = dot(gradients as Tensors, inputTangents);
  const tangents = torch.grad([along], seeds, { retainGraph: true }) as Tensors;
  // The Hessian is symmetric: Σⱼ Hᵢⱼ·uⱼ is the gradient of gradient·u; to this comes what ġ adds.
  const curved = torch.grad([along], leaves, { retainGraph: true }) as Tensors;
  const zero = changeTangents.map((gd, i) => gd ?? torch.zerosLike(changes[i]!));
  const direct = torch.grad(formula(leaves), leaves, { gradOutputs: zero }) as Tensors;
  return {
    values,
    tangents,
    gradients: gradients as Tensors,
    gradientTangents: curved.map((x, i) => torch.add(x, direct[i]!)),
  };
}

/** All of `tensors`, none, and each alone. */
function subsets(tensors: Tensors): Some[] {
  const alone = tensors.map((_, i) => tensors.map((x, j) => (i === j ? x : null)));
  return [[...tensors], ...alone];
}

describe("attention's tangent", () => {
  interface Case {
    readonly lengths: readonly number[];
    readonly keyLengths?: readonly number[];
    readonly heads: number;
    readonly kvHeads?: number;
    readonly size: number;
    readonly p: number;
    readonly causal?: boolean;
    readonly window?: AttentionWindow;
    readonly scale?: number;
    readonly biased?: boolean;
  }
  const CASES: readonly Case[] = [
    { lengths: [1, 5, 70, 17], heads: 2, size: 64, p: 0 },
    { lengths: [1, 5, 300], heads: 2, size: 16, p: 0.3 },
    { lengths: [16, 1, 48], heads: 1, size: 7, p: 0.1 },
    { lengths: [3, 80], heads: 4, size: 1, p: 0, scale: 0.4 },
    { lengths: [1, 66, 9], heads: 4, kvHeads: 2, size: 24, p: 0, causal: true },
    { lengths: [1, 290], heads: 4, kvHeads: 1, size: 16, p: 0.3, causal: true },
    { lengths: [1, 3, 70], keyLengths: [9, 3, 300], heads: 2, size: 33, p: 0.2, causal: true },
    { lengths: [40, 7], keyLengths: [8, 90], heads: 6, kvHeads: 3, size: 16, p: 0.1 },
    { lengths: [1, 30, 400], heads: 2, kvHeads: 1, size: 8, p: 0.2, causal: true, window: { before: 40 } },
    { lengths: [5, 100], keyLengths: [8, 333], heads: 2, size: 16, p: 0.1, window: { before: 1, after: 9 } },
    { lengths: [3, 65], heads: 2, kvHeads: 1, size: 130, p: 0.1 },
    { lengths: [1, 5, 70, 17], heads: 2, size: 64, p: 0, biased: true },
    { lengths: [5, 100], keyLengths: [8, 333], heads: 4, kvHeads: 2, size: 16, p: 0.2, scale: 0.3, biased: true },
  ];
  const SEED = 77;
  /** The key of the first use of dropout in a pass. */
  const FIRST_USE = { seed: SEED, stream: 0 };
  const total = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

  /** q, k, v, their tangents, a gradient and its tangent. */
  function draw({ lengths, keyLengths = lengths, heads, kvHeads = heads, size }: Case, dtype: torch.DType): Tensors {
    const normal = drawer(3);
    const [query, key] = [
      [total(lengths), heads * size],
      [total(keyLengths), kvHeads * size],
    ] as const;
    return [query, key, key, query, key, key, query, query].map((shape) => normal(shape, dtype));
  }

  /** The same for an entry, whatever dtype the operands have. */
  function biasOf({ lengths, keyLengths = lengths, heads, biased }: Case, dtype: torch.DType) {
    if (!biased) return undefined;
    const bias = drawer(4)([heads, Math.max(...lengths) + 2, Math.max(...keyLengths) + 1], "bfloat16");
    return torch.to(bias, dtype);
  }

  const formula = (entry: Case) => (leaves: Tensors) => {
    const { lengths, keyLengths, p, biased: _, ...rest } = entry;
    const layouts = { layout: rowLayout(lengths), keyLayout: keyLengths && rowLayout(keyLengths) };
    const context = { masks: new SeededMasks(SEED) };
    const [q, k, v] = leaves as [torch.Tensor, torch.Tensor, torch.Tensor];
    const options = { ...rest, ...layouts, bias: biasOf(entry, q.dtype), dropout: new Dropout(p), context };
    return [twiceDifferentiable(() => attend(q, k, v, options))];
  };

  type Rest = [torch.Tensor, torch.Tensor, number, number, number, Parameters<typeof torch.attentionTangent>[11]];
  function rest(entry: Case, dtype: torch.DType): Rest {
    const { lengths, keyLengths = lengths, heads, kvHeads = heads, size, p, causal, window, scale } = entry;
    const limits = { before: window?.before ?? null, after: causal ? 0 : (window?.after ?? null) };
    const options = { ...limits, p, bias: biasOf(entry, dtype) ?? null, ...FIRST_USE };
    const starts = [lengths, keyLengths].map((of) => rowLayout(of).cuSeqlens) as [torch.Tensor, torch.Tensor];
    return [...starts, heads, kvHeads, scale ?? 1 / Math.sqrt(size), options];
  }

  function run(entry: Case, inputs: Tensors, tangents: Some, change: torch.Tensor, changeTangent: torch.Tensor | null) {
    const [q, k, v] = inputs as [torch.Tensor, torch.Tensor, torch.Tensor];
    const [qd, kd, vd] = tangents as [torch.Tensor, torch.Tensor, torch.Tensor];
    const others = rest(entry, q.dtype);
    const tangent = torch.attentionTangent(q, k, v, qd, kd, vd, ...others);
    const gradients = torch.attentionTangentBackward(q, k, v, qd, kd, vd, change, changeTangent, ...others);
    return [tangent, ...gradients];
  }

  function check(entry: Case, inputs: Tensors, tangents: Some, changes: Some, tolerance: number) {
    const [change, changeTangent] = changes as [torch.Tensor, torch.Tensor | null];
    const actual = run(entry, inputs, tangents, change, changeTangent);
    const wide = [precise(inputs), preciseOrNull(tangents), precise([change]), preciseOrNull([changeTangent])] as const;
    const expected = expectedOf(formula(entry), ...wide);
    for (const result of actual) expect(result.dtype).toBe(change.dtype);
    const all = [...expected.tangents, ...expected.gradientTangents, ...expected.gradients];
    const isZero = (x: torch.Tensor) => torch.max(torch.abs(x)).item() === 0;
    const places = all.flatMap((x, i) => (isZero(x) && isZero(actual[i]!) ? [] : [i]));
    const [some, others] = [actual, all].map((tensors) => places.map((i) => tensors[i]!));
    expectAlike(some!, others!, tolerance);
  }

  const title =
    "heads $heads/$kvHeads of $size, rows $lengths/$keyLengths, dropout $p, causal $causal, window $window, bias $biased";
  for (const [dtype, tolerance] of TOLERANCES) {
    test.each(CASES)(`${dtype}: ${title}`, (entry) => {
      torch.scope(() => {
        const drawn = draw(entry, dtype);
        check(entry, drawn.slice(0, 3), drawn.slice(3, 6), drawn.slice(6), tolerance);
      });
    });
  }

  test.each([0, 1, 2, 3])("a missing tangent counts as 0 (%d)", (which) => {
    torch.scope(() => {
      const entry = CASES[6]!;
      const drawn = draw(entry, "float64");
      const tangents = subsets(drawn.slice(3, 6))[which]!;
      check(entry, drawn.slice(0, 3), tangents, [drawn[6]!, null], 1e-13);
    });
  });

  test("without tangents the gradients are the operator's", () => {
    torch.scope(() => {
      const entry = CASES[5]!;
      const drawn = draw(entry, "float64");
      const [tangent, qd, kd, vd, ...gradients] = run(entry, drawn.slice(0, 3), [null, null, null], drawn[6]!, null);
      for (const zero of [tangent, qd, kd, vd]) expect(torch.max(torch.abs(zero!)).item()).toBe(0);
      const leaves = drawn.slice(0, 3).map((x) => torch.detach(x).setRequiresGrad(true));
      const value = torch.attention(leaves[0]!, leaves[1]!, leaves[2]!, ...rest(entry, "float64"));
      expectAlike(gradients, torch.grad([value], leaves, { gradOutputs: [drawn[6]!] }), 1e-13);
    });
  });

  test("agrees with central differences of the operator and of its gradients", () => {
    torch.scope(() => {
      const entry = CASES[6]!;
      const drawn = draw(entry, "float64");
      const step = 1e-5;
      const at = (sign: number) => {
        const moved = [0, 1, 2].map((i) => torch.add(drawn[i]!, drawn[i + 3]!, { alpha: sign * step }));
        const leaves = moved.map((x) => x.setRequiresGrad(true)) as [torch.Tensor, torch.Tensor, torch.Tensor];
        const value = torch.attention(...leaves, ...rest(entry, "float64"));
        const gradOutputs = [torch.add(drawn[6]!, drawn[7]!, { alpha: sign * step })];
        return [torch.detach(value), ...torch.grad([value], leaves, { gradOutputs })];
      };
      const [above, below] = [at(1), at(-1)];
      const difference = above.map((x, i) => torch.mulScalar(torch.sub(x!, below[i]!), 1 / (2 * step)));
      const actual = run(entry, drawn.slice(0, 3), drawn.slice(3, 6), drawn[6]!, drawn[7]!);
      expectAlike(actual.slice(0, 4), difference, 1e-7);
    });
  });

  test("reads slices of joint products and transposed gradients", () => {
    torch.scope(() => {
      const entry = { lengths: [40, 3], heads: 2, size: 16, p: 0.2 };
      const joint = drawer(3)([43, 256], "float64");
      const parts = Array.from({ length: 8 }, (_, i) => torch.narrow(joint, 1, 32 * i, 32));
      const turned = torch.transpose(torch.contiguous(torch.transpose(parts[6]!, 0, 1)), 0, 1);
      check(entry, parts.slice(0, 3), parts.slice(3, 6), [turned, parts[7]!], 1e-13);
    });
  });

  test.each(["float32", "bfloat16"] as const)("%s: the same bits with any number of threads", (dtype) => {
    torch.scope(() => {
      const entry = CASES[1]!;
      const drawn = draw(entry, dtype);
      const [one, ...others] = [1, 2, 3].map((threads) =>
        withThreads(threads, () => run(entry, drawn.slice(0, 3), drawn.slice(3, 6), drawn[6]!, drawn[7]!)),
      );
      for (const other of others) for (const [i, tensor] of other.entries()) expectSameBits(tensor, one![i]!);
    });
  });

  test("an empty batch gives empty results", () => {
    torch.scope(() => {
      const x = torch.zeros([0, 8]);
      const starts = torch.tensor([0], [1], "int64");
      const results = [
        torch.attentionTangent(x, x, x, x, null, x, starts, starts, 2, 2, 1),
        ...torch.attentionTangentBackward(x, x, x, x, null, x, x, x, starts, starts, 2, 2, 1),
      ];
      for (const result of results) expect(result.shape).toEqual([0, 8]);
    });
  });

  test("invalid operands and operands that record gradients are refused", () => {
    torch.scope(() => {
      const [x, starts] = [torch.ones([4, 8]), torch.tensor([0, 4], [2], "int64")];
      const others = [starts, starts, 2, 2, 1] as const;
      const tangent = (qd: torch.Tensor | null) => () => torch.attentionTangent(x, x, x, qd, null, null, ...others);
      const backward = (g: torch.Tensor, gd: torch.Tensor | null) => () =>
        torch.attentionTangentBackward(x, x, x, null, null, null, g, gd, ...others);
      expect(tangent(torch.ones([4, 4]))).toThrow(/query: expected a tangent like its tensor, \[4, 8\]/);
      expect(tangent(torch.ones([4, 8], { dtype: "float64" }))).toThrow(/like its tensor/);
      expect(backward(torch.ones([3, 8]), null)).toThrow(/gradient: expected a tangent like/);
      expect(backward(x, torch.ones([3, 8]))).toThrow(/gradient: expected a tangent like/);
      expect(() => torch.attentionTangent(x, x, x, x, x, x, starts, starts, 3, 2, 1)).toThrow(
        /heads to be a multiple of kv_heads/,
      );
      const leaf = torch.ones([4, 8]).setRequiresGrad(true);
      expect(tangent(leaf)).toThrow(/has no derivative: call it/);
      expect(backward(leaf, null)).toThrow(/has no derivative: call it/);
      expect(torch.noGrad(tangent(leaf)).shape).toEqual([4, 8]);
    });
  });
});

describe("the tangent of dropout, sum and norm", () => {
  const SEED = 2 ** 45 + 12345;
  /** The key of the first use of dropout in a pass. */
  const FIRST_USE = { seed: SEED, stream: 0 };
  const NORMS = { layer: LayerNorm, rms: RmsNorm } as const;
  type Kind = keyof typeof NORMS;
  const SHAPES = [
    [9, 100],
    [1, 1],
    [3, 771],
  ] as const;

  interface Case {
    readonly kind: Kind;
    readonly p: number;
    readonly shape: readonly [number, number];
  }
  const cases: Case[] = (["layer", "rms"] as const).flatMap((kind) =>
    [0, 0.2].flatMap((p) => SHAPES.map((shape) => ({ kind, p, shape }))),
  );

  interface Drawn {
    /** x and residual */
    readonly inputs: Tensors;
    readonly tangents: Tensors;
    /** To the normed rows and to the sums. */
    readonly changes: Tensors;
    readonly changeTangents: Tensors;
    readonly weight: torch.Tensor;
    readonly bias: torch.Tensor;
  }

  function draw({ shape }: Case, dtype: torch.DType): Drawn {
    const normal = drawer(5);
    const pair = () => [normal(shape, dtype), normal(shape, dtype)];
    const row = () => normal([shape[1]], dtype);
    return {
      inputs: pair(),
      tangents: pair(),
      changes: pair(),
      changeTangents: pair(),
      weight: row(),
      bias: row(),
    };
  }

  const formula =
    ({ kind, p, shape }: Case, { weight, bias }: Drawn) =>
    ([x, residual]: Tensors) => {
      const norm = new NORMS[kind](shape[1], 1e-5);
      norm.weight.fill(torch.to(weight, "float64"));
      norm.bias?.fill(torch.to(bias, "float64"));
      const options = { dropout: new Dropout(p), norm, context: { masks: new SeededMasks(SEED) } };
      const { normed, sum } = twiceDifferentiable(() => addThenNorm(x!, residual!, options));
      return [normed, sum];
    };

  function run({ kind, p }: Case, drawn: Drawn, tangents: Some, changes: Some, changeTangents: Some) {
    const [x, residual] = drawn.inputs as [torch.Tensor, torch.Tensor];
    const [xd, residuald] = tangents as [torch.Tensor, torch.Tensor];
    const [g, toSum] = changes as [torch.Tensor, torch.Tensor];
    const [gd, toSumTangent] = changeTangents as [torch.Tensor, torch.Tensor];
    const bias = kind === "layer" ? drawn.bias : null;
    const options = { centered: kind === "layer", p, ...FIRST_USE };
    const operands = [x, residual, drawn.weight, bias, 1e-5, xd, residuald] as const;
    return [
      ...torch.dropoutAddNormTangent(...operands, options),
      ...torch.dropoutAddNormTangentBackward(...operands, g, gd, toSum, toSumTangent, options),
    ];
  }

  function check(entry: Case, drawn: Drawn, tangents: Some, changes: Some, changeTangents: Some, tolerance: number) {
    const actual = run(entry, drawn, tangents, changes, changeTangents);
    const whole = changes.map((g, i) => g ?? torch.zerosLike(drawn.changes[i]!));
    const expected = expectedOf(
      formula(entry, drawn),
      precise(drawn.inputs),
      preciseOrNull(tangents),
      precise(whole),
      preciseOrNull(changeTangents),
    );
    expectAlike(actual, [...expected.tangents, ...expected.gradientTangents, ...expected.gradients], tolerance);
  }

  for (const [dtype, tolerance] of TOLERANCES) {
    test.each(cases.filter(({ shape }) => shape[1] > 1))(`${dtype}: $kind norm, dropout $p, $shape`, (entry) => {
      torch.scope(() => {
        const drawn = draw(entry, dtype);
        check(entry, drawn, drawn.tangents, drawn.changes, drawn.changeTangents, tolerance);
      });
    });
  }

  test("rows of one number", () => {
    torch.scope(() => {
      for (const entry of cases.filter(({ shape, p }) => shape[1] === 1 && p === 0)) {
        const drawn = draw(entry, "float64");
        const actual = run(entry, drawn, drawn.tangents, drawn.changes, drawn.changeTangents);
        for (const result of actual) expect(torch.all(torch.isfinite(result)).item()).toBe(1);
      }
    });
  });

  test("missing tangents and gradients count as 0", () => {
    torch.scope(() => {
      for (const entry of [cases[3]!, cases[9]!]) {
        const drawn = draw(entry, "float64");
        const { tangents, changes, changeTangents } = drawn;
        for (const some of subsets(tangents)) check(entry, drawn, some, [changes[0]!, null], [null, null], 1e-13);
        for (const some of subsets(changeTangents)) check(entry, drawn, tangents, changes, some, 1e-13);
        const still = run(entry, drawn, [null, null], changes, [null, null]).slice(0, 4);
        for (const zero of still) expect(torch.max(torch.abs(zero)).item()).toBe(0);
      }
    });
  });

  test("agrees with central differences of the operator and of its gradients", () => {
    torch.scope(() => {
      for (const entry of cases.filter(({ shape }) => shape[1] === 100)) {
        const drawn = draw(entry, "float64");
        const step = 1e-5;
        const at = (sign: number) => {
          const moved = (of: Tensors, by: Tensors) => of.map((x, i) => torch.add(x, by[i]!, { alpha: sign * step }));
          const leaves = moved(drawn.inputs, drawn.tangents).map((x) => x.setRequiresGrad(true));
          const bias = entry.kind === "layer" ? drawn.bias : null;
          const options = { centered: entry.kind === "layer", p: entry.p, ...FIRST_USE };
          const values = torch.dropoutAddNorm(leaves[0]!, leaves[1]!, drawn.weight, bias, 1e-5, options);
          const gradOutputs = moved(drawn.changes, drawn.changeTangents);
          return [...values.map(torch.detach), ...torch.grad(values, leaves, { gradOutputs })];
        };
        const [above, below] = [at(1), at(-1)];
        const difference = above.map((x, i) => torch.mulScalar(torch.sub(x!, below[i]!), 1 / (2 * step)));
        const actual = run(entry, drawn, drawn.tangents, drawn.changes, drawn.changeTangents);
        expectAlike(actual.slice(0, 4), difference, 1e-7);
      }
    });
  });

  test("the same bits with any number of threads", () => {
    torch.scope(() => {
      const entry: Case = { kind: "layer", p: 0.1, shape: [300, 771] };
      const drawn = draw(entry, "bfloat16");
      const [one, three] = [1, 3].map((threads) =>
        withThreads(threads, () => run(entry, drawn, drawn.tangents, drawn.changes, drawn.changeTangents)),
      );
      for (const [i, tensor] of three!.entries()) expectSameBits(tensor, one![i]!);
    });
  });

  test("an empty batch gives empty results", () => {
    torch.scope(() => {
      const [x, weight] = [torch.zeros([0, 8]), torch.ones([8])];
      const results = [
        ...torch.dropoutAddNormTangent(x, x, weight, null, 1e-5, x, null),
        ...torch.dropoutAddNormTangentBackward(x, x, weight, null, 1e-5, x, null, x, null, null, null),
      ];
      for (const result of results) expect(result.shape).toEqual([0, 8]);
    });
  });

  test("invalid operands, operands that record gradients, and a trained weight or bias are refused", () => {
    torch.scope(() => {
      const [x, weight] = [torch.ones([4, 8]), torch.ones([8])];
      const leaf = torch.ones([4, 8]).setRequiresGrad(true);
      const trained = torch.ones([8]).setRequiresGrad(true);
      type Call = Parameters<typeof torch.dropoutAddNormTangentBackward>;
      const call = (...changed: [number, unknown][]) => {
        const values: unknown[] = [x, x, weight, weight, 1e-5, x, x, x, x, x, x, {}];
        for (const [place, value] of changed) values[place] = value;
        const forward = values.slice(0, 7) as unknown as Parameters<typeof torch.dropoutAddNormTangent>;
        return [
          () => torch.dropoutAddNormTangent(...forward),
          () => torch.dropoutAddNormTangentBackward(...(values as Call)),
        ];
      };
      const other = torch.ones([4, 7]);
      for (const make of call([1, other])) expect(make).toThrow(/the same shape \[N, H\]/);
      for (const make of call([5, other])) expect(make).toThrow(/input: expected a tangent like its tensor/);
      for (const make of call([6, other])) expect(make).toThrow(/residual: expected a tangent like its tensor/);
      for (const make of call([2, trained]))
        expect(() => torch.noGrad<unknown>(make)).toThrow(/frozen weight and bias/);
      for (const make of call([3, trained]))
        expect(() => torch.noGrad<unknown>(make)).toThrow(/frozen weight and bias/);
      for (const place of [0, 1, 5, 6])
        for (const make of call([place, leaf])) expect(make).toThrow(/has no derivative: call it/);
      for (const place of [7, 8, 9, 10]) {
        expect(call([place, other])[1]).toThrow(/gradient: expected a tangent like its tensor/);
        expect(call([place, leaf])[1]).toThrow(/has no derivative: call it/);
      }
    });
  });
});

describe("GELU's tangent", () => {
  const WAYS = ["none", "tanh"] as const;

  /** x, ẋ, g, ġ, with numbers far from 0 among them. */
  function draw(dtype: torch.DType, count = 1003): Tensors {
    const normal = drawer(8);
    return [3, 1, 1, 1].map((scale) => torch.mulScalar(normal([count], dtype), scale));
  }

  const run = ([x, xd, g, gd]: Tensors, approximate: string) => [
    torch.geluTangent(x!, xd!, { approximate }),
    ...torch.geluTangentBackward(x!, xd!, g!, gd!, { approximate }),
  ];

  for (const [dtype, tolerance] of TOLERANCES) {
    test.each(WAYS)(`${dtype}: agrees with the formula, %s`, (approximate) => {
      torch.scope(() => {
        const drawn = draw(dtype);
        const [x, xd, g, gd] = precise(drawn);
        const formula = (inputs: Tensors) => [torch.gelu(inputs[0]!, { approximate })];
        const { tangents, gradients, gradientTangents } = expectedOf(formula, [x!], [xd!], [g!], [gd!]);
        expectAlike(run(drawn, approximate), [...tangents, ...gradientTangents, ...gradients], tolerance);
        const [without] = torch.geluTangentBackward(drawn[0]!, drawn[1]!, drawn[2]!, null, { approximate });
        const { gradientTangents: curved } = expectedOf(formula, [x!], [xd!], [g!], [null]);
        expectAlike([without], curved, tolerance);
      });
    });
  }

  test.each(WAYS)("float32: far from 0 it stays on the curve, %s", (approximate) => {
    torch.scope(() => {
      const x = torch.tensor([-1e30, -1e4, -100, -14, 14, 100, 1e4, 1e15], [8], "float32");
      const one = torch.ones([8]);
      const [tangent, curved, gradient] = run([x, one, one, torch.zeros([8])], approximate).map((y) => y.toArray());
      const start = approximate === "tanh" ? 1 : 0; // its cube overflows, as libtorch's does
      expect(tangent!.slice(start)).toEqual([0, 0, 0, 0, 1, 1, 1, 1].slice(start).map((n) => expect.closeTo(n, 30)));
      expect(gradient).toEqual(tangent);
      for (const number of curved!.slice(start)) expect(Math.abs(number)).toBeLessThan(1e-30);
    });
  });

  test.each(WAYS)("agrees with central differences of gelu and of its gradient, %s", (approximate) => {
    torch.scope(() => {
      const drawn = draw("float64");
      const [x, xd, g, gd] = drawn as [torch.Tensor, torch.Tensor, torch.Tensor, torch.Tensor];
      const step = 1e-5;
      const at = (sign: number) => {
        const leaf = torch.add(x, xd, { alpha: sign * step }).setRequiresGrad(true);
        const value = torch.gelu(leaf, { approximate });
        const gradOutputs = [torch.add(g, gd, { alpha: sign * step })];
        return [torch.detach(value), torch.grad([value], [leaf], { gradOutputs })[0]!];
      };
      const [above, below] = [at(1), at(-1)];
      const difference = above.map((y, i) => torch.mulScalar(torch.sub(y, below[i]!), 1 / (2 * step)));
      expectAlike(run(drawn, approximate).slice(0, 2), difference, 1e-8);
    });
  });

  test("keeps shapes, reads transposed tensors, and gives empty results for empty input", () => {
    torch.scope(() => {
      const [x, xd, g, gd] = draw("float32", 35).map((y) => torch.transpose(torch.view(y, [5, 7]), 0, 1)) as Tensors;
      const turned = run([x!, xd!, g!, gd!], "none");
      const plain = run(draw("float32", 35), "none");
      for (const [i, result] of turned.entries()) {
        expect(result.shape).toEqual([7, 5]);
        expect(torch.equal(torch.reshape(torch.transpose(result, 0, 1), [35]), plain[i]!)).toBe(true);
      }
      const empty = torch.zeros([0, 3]);
      for (const result of run([empty, empty, empty, empty], "tanh")) expect(result.shape).toEqual([0, 3]);
    });
  });

  test("the same bits with any number of threads", () => {
    torch.scope(() => {
      const drawn = draw("bfloat16", 100_003);
      const [one, three] = [1, 3].map((threads) => withThreads(threads, () => run(drawn, "none")));
      for (const [i, tensor] of three!.entries()) expectSameBits(tensor, one![i]!);
    });
  });

  test("invalid operands and operands that record gradients are refused", () => {
    torch.scope(() => {
      const x = torch.ones([4]);
      const leaf = torch.ones([4]).setRequiresGrad(true);
      expect(() => torch.geluTangent(x, torch.ones([3]))).toThrow(/expected a tangent like its tensor/);
      expect(() => torch.geluTangent(x, x, { approximate: "erf" })).toThrow(/to be "none" or "tanh", got "erf"/);
      expect(() => torch.geluTangentBackward(x, x, torch.ones([3]), null)).toThrow(/like its tensor/);
      expect(() => torch.geluTangentBackward(x, x, x, torch.ones([3]))).toThrow(/like its tensor/);
      expect(() => torch.geluTangent(leaf, x)).toThrow(/has no derivative: call it/);
      expect(() => torch.geluTangentBackward(x, x, leaf, null)).toThrow(/has no derivative: call it/);
    });
  });
});

describe("a gated activation's tangent", () => {
  const KINDS = ["gelu", "gelu_tanh", "silu"] as const;
  const FORMULAS: Readonly<Record<(typeof KINDS)[number], (x: torch.Tensor) => torch.Tensor>> = {
    gelu: (x) => torch.gelu(x),
    gelu_tanh: (x) => torch.gelu(x, { approximate: "tanh" }),
    silu: (x) => torch.silu(x),
  };

  /** gate, up, their tangents, g, ġ. */
  function draw(dtype: torch.DType): Tensors {
    const normal = drawer(9);
    return [3, 1, 1, 1, 1, 1].map((scale) => torch.mulScalar(normal([17, 59], dtype), scale));
  }

  function run(inputs: Tensors, tangents: Some, [g]: Tensors, [gd]: Some, activation: string) {
    const operands = [inputs[0]!, inputs[1]!, tangents[0]!, tangents[1]!] as const;
    return [
      torch.gatedTangent(...operands, { activation }),
      ...torch.gatedTangentBackward(...operands, g!, gd!, { activation }),
    ];
  }

  for (const [dtype, tolerance] of TOLERANCES) {
    test.each(KINDS)(`${dtype}: agrees with the formula, %s`, (kind) => {
      torch.scope(() => {
        const drawn = draw(dtype);
        const formula = ([gate, up]: Tensors) => [torch.mul(FORMULAS[kind](gate!), up!)];
        for (const tangents of subsets(drawn.slice(2, 4)))
          for (const gd of [drawn[5]!, null]) {
            const wide = [precise(drawn.slice(0, 2)), preciseOrNull(tangents), precise([drawn[4]!])] as const;
            const expected = expectedOf(formula, ...wide, preciseOrNull([gd]));
            const actual = run(drawn.slice(0, 2), tangents, [drawn[4]!], [gd], kind);
            const all = [...expected.tangents, ...expected.gradientTangents, ...expected.gradients];
            const isZero = (x: torch.Tensor) => torch.max(torch.abs(x)).item() === 0;
            for (const [i, wanted] of all.entries())
              if (isZero(wanted)) expect(isZero(actual[i]!), `${i}`).toBe(true);
              else expectAlike([actual[i]], [wanted], tolerance);
          }
      });
    });
  }

  test("reads slices of a joint product", () => {
    torch.scope(() => {
      const drawn = draw("float32");
      const joint = torch.cat(drawn, 1);
      const parts = drawn.map((_, i) => torch.narrow(joint, 1, 59 * i, 59));
      const of = (x: Tensors) => run(x.slice(0, 2), x.slice(2, 4), [x[4]!], [x[5]!], "silu");
      for (const [i, tensor] of of(parts).entries()) expectSameBits(tensor, of(drawn)[i]!);
    });
  });

  test("invalid operands and operands that record gradients are refused", () => {
    torch.scope(() => {
      const [x, other, silu] = [torch.ones([2, 4]), torch.ones([2, 3]), { activation: "silu" }];
      const leaf = torch.ones([2, 4]).setRequiresGrad(true);
      expect(() => torch.gatedTangent(x, other, x, x, silu)).toThrow(/the same shape and dtype/);
      expect(() => torch.gatedTangent(x, x, other, x, silu)).toThrow(/input: expected a tangent like its tensor/);
      expect(() => torch.gatedTangent(x, x, x, other, silu)).toThrow(/factor: expected a tangent like its tensor/);
      expect(() => torch.gatedTangent(x, x, x, x, { activation: "relu" })).toThrow(/"silu", got "relu"/);
      expect(() => torch.gatedTangent(x, leaf, x, x, silu)).toThrow(/has no derivative: call it/);
      expect(() => torch.gatedTangentBackward(x, x, x, x, other, x, silu)).toThrow(/gradient: expected a tangent/);
      expect(() => torch.gatedTangentBackward(x, x, x, x, x, other, silu)).toThrow(/gradient: expected a tangent/);
      expect(() => torch.gatedTangentBackward(x, x, x, x, leaf, x, silu)).toThrow(/has no derivative: call it/);
    });
  });
});

describe.each([true, false])("a row norm's tangent, centered %s", (centered) => {
  const SHAPES = [[5, 100], [2, 3, 33], [40, 771], [64]] as const;
  const formula =
    (weight: torch.Tensor, size: number) =>
    ([x]: Tensors) => [
      centered ? torch.layerNorm(x!, [size], weight, null, 1e-5) : torch.rmsNorm(x!, [size], weight, 1e-5),
    ];

  function run(x: torch.Tensor, weight: torch.Tensor, xd: torch.Tensor, g: torch.Tensor, gd: torch.Tensor | null) {
    return [
      torch.rowNormTangent(x, weight, 1e-5, xd, { centered }),
      ...torch.rowNormTangentBackward(x, weight, 1e-5, xd, g, gd, { centered }),
    ];
  }

  for (const [dtype, tolerance] of TOLERANCES) {
    test.each(SHAPES.map((shape) => [shape]))(`${dtype}: agrees with the formula, %j`, (shape) => {
      torch.scope(() => {
        const normal = drawer(11);
        const drawn = [1, 2, 3, 4].map(() => normal(shape, dtype)) as [
          torch.Tensor,
          torch.Tensor,
          torch.Tensor,
          torch.Tensor,
        ];
        const [x, xd, g] = drawn;
        const size = shape.at(-1) as number;
        const weight = normal([size], dtype);
        const plain = formula(precise([weight])[0]!, size);
        for (const gd of [drawn[3], null]) {
          const expected = expectedOf(plain, precise([x]), precise([xd]), precise([g]), preciseOrNull([gd]));
          const all = [...expected.tangents, ...expected.gradientTangents, ...expected.gradients];
          expectAlike(run(x, weight, xd, g, gd), all, tolerance);
        }
      });
    });
  }

  test("without a tangent only the gradient's tangent counts, and the gradient is the operator's", () => {
    torch.scope(() => {
      const normal = drawer(12);
      const [x, g, gd, weight] = [[6, 20], [6, 20], [6, 20], [20]].map((shape) => normal(shape, "float64")) as [
        torch.Tensor,
        torch.Tensor,
        torch.Tensor,
        torch.Tensor,
      ];
      const found = torch.rowNormTangentBackward(x, weight, 1e-5, null, g, gd, { centered });
      const leaf = torch.detach(x).setRequiresGrad(true);
      const of = (change: torch.Tensor) =>
        torch.grad([torch.rowNorm(leaf, weight, null, 1e-5, { centered })], [leaf], { gradOutputs: [change] })[0];
      expectAlike(found, [of(gd), of(g)], 1e-13);
    });
  });

  test("invalid operands, operands that record gradients, and a trained weight are refused", () => {
    torch.scope(() => {
      const [x, other, weight] = [torch.ones([2, 4]), torch.ones([2, 3]), torch.ones([4])];
      const leaf = torch.ones([2, 4]).setRequiresGrad(true);
      const trained = torch.ones([4]).setRequiresGrad(true);
      expect(() => torch.rowNormTangent(x, torch.ones([3]), 1e-5, x)).toThrow(/weight and a bias of \[4\]/);
      expect(() => torch.rowNormTangent(x, weight, 1e-5, other)).toThrow(/input: expected a tangent like its tensor/);
      expect(() => torch.noGrad(() => torch.rowNormTangent(x, trained, 1e-5, x))).toThrow(/frozen weight/);
      expect(() => torch.rowNormTangent(leaf, weight, 1e-5, x)).toThrow(/has no derivative: call it/);
      expect(() => torch.rowNormTangentBackward(x, weight, 1e-5, x, other, null)).toThrow(/gradient: expected/);
      expect(() => torch.rowNormTangentBackward(x, weight, 1e-5, x, x, other)).toThrow(/gradient: expected/);
      expect(() => torch.rowNormTangentBackward(x, weight, 1e-5, x, leaf, null)).toThrow(/has no derivative: call it/);
    });
  });
});

describe("the tangents of a DoRA layer", () => {
  const [ROWS, IN, OUT, RANK] = [70, 16, 2100, 4];

  /** The layer's operands, with the given part of its outputs. */
  function drawn(dtype: torch.DType, first: number, count: number) {
    const normal = drawer(21);
    const part = (x: torch.Tensor, dimension: number) => torch.contiguous(torch.narrow(x, dimension, first, count));
    const [x, xd] = [normal([ROWS, IN], dtype), normal([ROWS, IN], dtype)];
    const [weight, bias] = [part(normal([OUT, IN], dtype), 0), part(normal([OUT], dtype), 0)];
    const [a, ad] = [normal([RANK, IN], "float32"), normal([RANK, IN], "float32")];
    const [b, bd] = [part(normal([OUT, RANK], "float32"), 0), part(normal([OUT, RANK], "float32"), 0)];
    const [gain, gainDot] = [part(normal([OUT], "float32"), 0), part(normal([OUT], "float32"), 0)];
    const [y, yd, g, gd] = [1, 2, 3, 4].map(() => part(normal([ROWS, OUT], dtype), 1)) as [
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
      torch.Tensor,
    ];
    const layer = [weight, bias, a, b, 1.5, ad, bd, gain, gainDot] as const;
    return { x, xd, layer, y, yd, g, gd };
  }

  test.each(["float32", "bfloat16"] as const)("%s: an output's don't depend on how many others there are", (dtype) => {
    torch.scope(() => {
      const run = (first: number, count: number) => {
        const { x, xd, layer, y, yd, g, gd } = drawn(dtype, first, count);
        const [, ofGain, changeOfGain] = torch.lowRankLinearTangentBackward(g, gd, ...layer, y, yd, false, true);
        return { tangent: torch.lowRankLinearTangent(x, xd, ...layer, y), ofGain, changeOfGain };
      };
      const all = run(0, OUT);
      for (const first of [0, 250, 1000, 2000]) {
        const some = run(first, 100);
        expectSameBits(some.ofGain, torch.narrow(all.ofGain, 0, first, 100));
        expectSameBits(some.changeOfGain, torch.narrow(all.changeOfGain, 0, first, 100));
        expectAlike([some.tangent], [torch.narrow(all.tangent, 1, first, 100)], dtype === "float32" ? 5e-6 : 1.5e-2);
      }
    });
  });
});

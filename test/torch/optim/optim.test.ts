import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import {
  clipGradNorm,
  initState,
  OPTIMIZERS,
  type OptimizerName,
  type OptimizerOptions,
  type OptimizerState,
  SCHEDULES,
  type ScheduleName,
  scheduleFactor,
  totalNorm,
} from "../../../src/torch/optim/index.js";
import { withThreads } from "../kernels/support.js";
import { expectSameBits } from "../sameBits.js";

type Values = Readonly<Record<"weight" | "bias" | "scalar", readonly number[]>>;

interface StepsCase {
  readonly options: Partial<OptimizerOptions> & { readonly weightDecay: number };
  readonly start: Values;
  readonly steps: readonly { readonly learningRate: number; readonly gradients: Values; readonly after: Values }[];
  /** Optimizer state of each tensor after the last step. */
  readonly state: readonly Readonly<
    Record<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>
  >[];
}

/** The optimizers with steps in optim.json: PyTorch's, and Lion; those of bitsandbytes' are in test/torch/kernels/adamw8bit.test.ts. */
const WITH_STEPS = ["adamw", "sgd", "adafactor", "lion"] as const satisfies OptimizerName[];

interface Golden extends Readonly<Record<(typeof WITH_STEPS)[number], readonly StepsCase[]>> {
  readonly clip: readonly {
    readonly maxNorm: number;
    readonly norm: number;
    readonly gradients: Values;
    readonly clipped: Values;
  }[];
  readonly schedules: readonly {
    readonly schedule: ScheduleName;
    readonly steps: number;
    readonly warmupRatio: number;
    readonly factors: readonly number[];
  }[];
}

const golden = JSON.parse(readFileSync(new URL("../../golden/optim/optim.json", import.meta.url), "utf8")) as Golden;

const SHAPES = { weight: [3, 4], bias: [5], scalar: [] } as const;
const names = Object.keys(SHAPES) as (keyof Values)[];
const optimizers = Object.keys(OPTIMIZERS) as OptimizerName[];
const cases = WITH_STEPS.flatMap((name) => golden[name].map((entry) => ({ name, ...entry })));

/** Options that an optimizer does not use are NaN: they must make no difference. */
const optionsOf = (options: Partial<OptimizerOptions>): OptimizerOptions => ({
  adamBeta1: Number.NaN,
  adamBeta2: Number.NaN,
  adamEpsilon: Number.NaN,
  momentum: Number.NaN,
  ...options,
});

function tensorsOf(values: Values, dtype: torch.DType = "float32"): torch.Tensor[] {
  return names.map((name) => torch.tensor(values[name], SHAPES[name], dtype));
}

function expectValues(actual: readonly torch.Tensor[], expected: Values, tolerance: number): void {
  for (const [i, name] of names.entries()) {
    for (const [j, value] of actual[i]!.toArray().entries()) {
      const wanted = expected[name][j]!;
      expect(Math.abs(value - wanted), `${name}[${j}]`).toBeLessThanOrEqual(
        tolerance * Math.max(1e-3, Math.abs(wanted)),
      );
    }
  }
}

function expectClose(actual: readonly number[], expected: readonly number[], tolerance: number, what: string): void {
  expect(actual.length, what).toBe(expected.length);
  for (const [j, value] of actual.entries()) {
    const wanted = expected[j]!;
    expect(Math.abs(value - wanted), `${what}[${j}]`).toBeLessThanOrEqual(tolerance * Math.max(1e-3, Math.abs(wanted)));
  }
}

test.each(cases)(
  "$name: steps equal those computed by PyTorch, with $options",
  ({ name, options: given, start, steps, state: kept }) => {
    const options = optionsOf(given);
    const tensors = tensorsOf(start);
    const state = initState(OPTIMIZERS[name], tensors, options);
    const parameters = tensors.map((tensor, i) => ({
      tensor,
      weightDecay: names[i] === "bias" ? 0 : given.weightDecay,
    }));
    for (const { learningRate, gradients, after } of steps) {
      const grads = tensorsOf(gradients);
      OPTIMIZERS[name].update(parameters, grads, state, learningRate, options);
      expectValues(tensors, after, 1e-6);
      expectValues(grads, gradients, 0);
    }
    expect(state.steps).toBe(steps.length);
    for (const [i, memory] of state.memories.entries()) {
      expect(Object.keys(memory)).toEqual(Object.keys(kept[i]!));
      for (const [key, tensor] of Object.entries(memory)) {
        const what = `${names[i]}.${key}`;
        const { shape, values } = kept[i]![key]!;
        expect(tensor.shape, what).toEqual(shape);
        // Relative to each value: the mean squares of a one-element gradient differ by a factor of a million.
        expectClose(tensor.toArray(), values, 2e-6, what);
      }
    }
  },
);

/** Parameters after the golden steps in float64, with `shift` added to the gradients of the last step. */
function ended(name: OptimizerName, { options: given, start, steps }: StepsCase, shift: number) {
  const options = optionsOf(given);
  const tensors = tensorsOf(start, "float64");
  const state = initState(OPTIMIZERS[name], tensors, options);
  const parameters = tensors.map((tensor) => ({ tensor, weightDecay: given.weightDecay }));
  for (const [t, { learningRate, gradients }] of steps.entries()) {
    const isLast = t === steps.length - 1;
    const grads = tensorsOf(gradients, "float64").map((g) => torch.addScalar(g, isLast ? shift : 0));
    OPTIMIZERS[name].update(parameters, grads, state, learningRate, options);
    if (!isLast) continue;
    const v = tensors.map((tensor, i) => torch.addScalar(torch.zerosLike(tensor), i + 2));
    return { tensors, product: OPTIMIZERS[name].derivative?.(v, grads, state, learningRate, options) };
  }
  throw new Error("the golden case has no steps");
}

test.each(cases.filter(({ name }) => OPTIMIZERS[name].derivative))(
  "$name: the derivative with respect to the gradient equals finite differences, with $options",
  ({ name, ...entry }) => {
    const h = 1e-4;
    const [here, ahead, behind] = [0, h, -h].map((shift) => ended(name, entry, shift)) as [
      ReturnType<typeof ended>,
      ReturnType<typeof ended>,
      ReturnType<typeof ended>,
    ];
    for (const [i, tensor] of names.entries()) {
      const [up, down, product] = [ahead.tensors[i]!, behind.tensors[i]!, here.product![i]!].map((t) =>
        t.toArray(),
      ) as [number[], number[], number[]];
      for (const [j, value] of product.entries()) {
        if (tensor === "weight" && j === 0 && name === "adamw") continue; // its gradient was always 0, where AdamW has a kink
        expect(-(up[j]! - down[j]!) / (2 * h), `${tensor}[${j}]`).toBeCloseTo(value / (i + 2), 5);
      }
    }
    expect(here.product!.flatMap((tensor) => tensor.toArray()).every(Number.isFinite)).toBe(true);
  },
);

test.each(golden.sgd)("sgd: the derivative equals autograd through PyTorch's formula, with $options", (entry) => {
  const { options: given, start, steps } = entry;
  const { momentum } = optionsOf(given);
  const [first, second] = steps as [(typeof steps)[number], (typeof steps)[number]];
  const { learningRate } = second;
  for (const [i, p] of tensorsOf(start, "float64").entries()) {
    const [buffer, gradient] = [first, second].map(({ gradients }) => tensorsOf(gradients, "float64")[i]!);
    const g = gradient!.setRequiresGrad(true);
    const v = torch.addScalar(torch.square(p), 1);
    const decayed = torch.add(g, p, { alpha: given.weightDecay });
    const step = torch.add(torch.mulScalar(buffer!, momentum), decayed);
    const after = torch.sub(p, torch.mulScalar(step, learningRate));
    const [through] = torch.grad([after], [g], { gradOutputs: [v] });
    const state: OptimizerState = { steps: 2, memories: [{ momentum_buffer: step }] };
    const [product] = OPTIMIZERS.sgd.derivative!([v], [g], state, learningRate, optionsOf(given));
    expectClose(product!.toArray(), [...torch.neg(through!).toArray()], 1e-14, names[i]!);
  }
});

test("Adafactor, AdamW in 8 bits and Lion have no derivative: a step depends on all elements, on means that are not kept, or on signs alone", () => {
  expect(optimizers.filter((name) => !OPTIMIZERS[name].derivative)).toEqual(["adafactor", "adamw8bit", "lion"]);
});

test.each(optimizers)(
  "%s: the state outlives the scope it was created in, and a step bumps each tensor's version counter",
  (name) => {
    const options = { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, momentum: 0.9 };
    const tensors = [torch.tensor([1, 2]), torch.tensor([1, 2], [1, 2]).setRequiresGrad(true)];
    // Inside a class instance, so that the scope does not find the tensors in its result and keep them.
    const holder = torch.scope(
      () =>
        new (class {
          readonly state = initState(OPTIMIZERS[name], tensors, options);
        })(),
    );
    for (const momentum of [0.9, 0]) {
      const before = tensors.map(({ version }) => version);
      const gradients = tensors.map((tensor) => torch.noGrad(() => torch.onesLike(tensor)));
      const parameters = tensors.map((tensor) => ({ tensor, weightDecay: 0 }));
      OPTIMIZERS[name].update(parameters, gradients, holder.state, 0.1, { ...options, momentum });
      for (const [i, tensor] of tensors.entries()) expect(tensor.version).toBeGreaterThan(before[i]!);
    }
  },
);

test.each(optimizers)("%s: a step leaves no tensors behind except its state", (name) => {
  const options = { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, momentum: 0.9 };
  const tensors = tensorsOf(golden.adamw[0]!.start);
  const state = initState(OPTIMIZERS[name], tensors, options);
  const parameters = tensors.map((tensor) => ({ tensor, weightDecay: 0.1 }));
  const gradients = tensorsOf(golden.adamw[0]!.steps[0]!.gradients);
  const before = torch.liveHandles();
  for (let i = 0; i < 3; i++) OPTIMIZERS[name].update(parameters, gradients, state, 0.1, options);
  expect(torch.liveHandles()).toBe(before);
});

describe("AdamW on tensors that are not contiguous", () => {
  const options = optionsOf({ adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-8 });
  const { adamw } = OPTIMIZERS;
  const shape = [3, 4];
  const numbers = (seed: number) => torch.normal_(torch.empty(shape), 0, 1, { generator: new torch.Generator(seed) });
  const layouts: [string, (tensor: torch.Tensor) => torch.Tensor][] = [
    ["transposed", (tensor) => torch.t(torch.contiguous(torch.t(tensor)))],
    ["a slice of a larger tensor", (tensor) => torch.narrow(torch.cat([tensor, tensor], 1), 1, 0, 4)],
    ["every second column", (tensor) => torch.select(torch.stack([tensor, numbers(9)], 2), 2, 0)],
  ];

  function stepped(
    lay: (tensor: torch.Tensor) => torch.Tensor,
    which: "gradient" | "parameter" | "moments" | "none",
  ): number[][] {
    const laid = (name: typeof which, tensor: torch.Tensor) => (name === which ? lay(tensor) : tensor);
    const tensor = laid("parameter", numbers(1));
    const fresh = initState(adamw, [tensor], options);
    const moments = Object.entries(fresh.memories[0]!).map(
      ([name, moment]) => [name, laid("moments", moment)] as const,
    );
    const state: OptimizerState = { steps: 0, memories: [Object.fromEntries(moments)] };
    for (const seed of [2, 3, 4])
      adamw.update([{ tensor, weightDecay: 0.1 }], [laid("gradient", numbers(seed))], state, 0.1, options);
    return [tensor, ...moments.map(([, moment]) => moment)].map((result) => result.toArray());
  }

  const expected = stepped((tensor) => tensor, "none");
  test.each(layouts)("%s: steps equal those on contiguous tensors", (_, lay) => {
    for (const which of ["gradient", "parameter", "moments"] as const) {
      expect(stepped(lay, which), which).toEqual(expected);
    }
  });

  test("an expanded gradient (stride 0) gives the same step", () => {
    const [plain, expanded] = [torch.ones(shape), torch.expand(torch.ones([1, 1]), shape)].map((gradient) => {
      const tensor = numbers(1);
      adamw.update([{ tensor, weightDecay: 0 }], [gradient], initState(adamw, [tensor], options), 0.1, options);
      return tensor.toArray();
    });
    expect(expanded).toEqual(plain);
  });
});

describe("the AdamW operator", () => {
  const options = optionsOf({ adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-8 });

  /** Small tensors, which one thread handles, and a large one, which all threads share; sizes that are no multiple of the vector width. */
  const SIZES = [[3, 4], [1], [0], [700, 31], [129, 77], [600, 700], [], [5000]] as const;

  test.each(["float32", "float64"] as const)("gives the same bits as PyTorch's fused AdamW, %s", (dtype) => {
    torch.scope(() => {
      const draw = (seed: number) => {
        const generator = new torch.Generator(seed);
        return SIZES.map((shape) => torch.normal_(torch.empty(shape, { dtype }), 0, 1, { generator }));
      };
      const [own, theirs] = [draw(1), draw(1)];
      const decays = [0.1, 0, 0.3];
      const state = initState(OPTIMIZERS.adamw, own, options);
      const [means, squares] = [0, 1].map(() => theirs.map((tensor) => torch.zerosLike(tensor)));
      for (const step of [1, 2, 3]) {
        const gradients = draw(step + 1);
        const parameters = own.map((tensor, i) => ({ tensor, weightDecay: decays[i % 3]! }));
        OPTIMIZERS.adamw.update(parameters, gradients, state, 0.01, options);
        for (const [i, tensor] of theirs.entries()) {
          const rates = { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, amsgrad: false, maximize: false };
          const all = [[tensor], [gradients[i]!], [means![i]!], [squares![i]!]] as const;
          const count = torch.tensor([step], []);
          torch.fusedAdamw_(...all, [], [count], { ...rates, weightDecay: decays[i % 3]! });
          expectSameBits(own[i]!, tensor);
          expectSameBits(state.memories[i]!.exp_avg!, means![i]!);
          expectSameBits(state.memories[i]!.exp_avg_sq!, squares![i]!);
        }
      }
    });
  });

  test("refuses lists of different lengths or shapes, and step 0", () => {
    const [two, three] = [torch.ones([2]), torch.ones([3])];
    const rates = { lr: 1, beta1: 0.9, beta2: 0.99, weightDecay: 0, epsilon: 1e-8 };
    expect(() => torch.adamw_([two], [two], [two], [], 1, rates)).toThrow(/as many gradients and moments/);
    expect(() => torch.adamw_([two], [three], [two], [two], 1, rates)).toThrow(
      /gradients and moments of the tensor's dtype and shape/,
    );
    expect(() => torch.adamw_([two], [two], [two], [two], 0, rates)).toThrow(/a step number of at least 1, got 0/);
  });
});

describe("the total norm of many tensors", () => {
  const generator = new torch.Generator(5);
  const normal = (shape: readonly number[], dtype: torch.DType = "float32") =>
    torch.to(torch.normal_(torch.empty(shape), 0, 1, { generator }), dtype);

  test("equals the float64 norm of all elements, with the same bits for any number of threads", () => {
    const tensors = [
      ...[[0], [], [3, 5], [200, 301], [8193], [8192, 2]].map((shape) => normal(shape)),
      torch.t(normal([70, 90])),
      torch.narrow(normal([70, 90]), 1, 3, 40),
      torch.expand(normal([1, 3]), [5, 3]),
      normal([400], "bfloat16"),
      normal([400], "float64"),
    ];
    const flat = torch.cat(tensors.map((tensor) => torch.to(torch.flatten(torch.contiguous(tensor)), "float64")));
    const expected = torch.linalgVectorNorm(flat, 2).item();
    const norms = [1, 2, 3].map((threads) => withThreads(threads, () => totalNorm(tensors)));
    expect(norms[0]! / expected).toBeCloseTo(1, 13);
    expect(new Set(norms).size).toBe(1);
  });

  test("is not finite if one element is not finite", () => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(Number.isFinite(totalNorm([normal([9]), torch.tensor([1, odd]), normal([9])]))).toBe(false);
  });

  test("torch.scaled returns new tensors, each multiplied by the factor", () => {
    const tensors = [normal([3, 5]), torch.t(normal([70, 90])), normal([600, 700]), normal([0])];
    const before = tensors.map((tensor) => torch.clone(tensor));
    for (const [i, result] of torch.scaled(tensors, 0.3).entries()) {
      expectSameBits(result, torch.mulScalar(before[i]!, 0.3));
      expectSameBits(tensors[i]!, before[i]!);
    }
  });
});

describe("gradient clipping", () => {
  test.each(golden.clip)("to norm $maxNorm equals PyTorch's", ({ maxNorm, norm, gradients, clipped }) => {
    const given = tensorsOf(gradients);
    expect(totalNorm(given) / norm).toBeCloseTo(1, 6);
    const result = clipGradNorm(given, totalNorm(given), maxNorm);
    expectValues(result.gradients, clipped, 1e-6);
    expectValues(given, gradients, 1e-7);
    expect(result.factor).toBeCloseTo(clipped.weight[0]! / gradients.weight[0]!, 5);
  });

  test("an empty list has norm 0", () => {
    expect(totalNorm([])).toBe(0);
  });
});

test.each(golden.schedules)(
  "the $schedule schedule over $steps steps with warm-up $warmupRatio equals transformers'",
  (entry) => {
    const { schedule, steps, warmupRatio, factors } = entry;
    for (const [t, factor] of factors.entries()) {
      expect(scheduleFactor(schedule, t, steps, warmupRatio), `step ${t}`).toBeCloseTo(factor, 12);
    }
  },
);

test("every schedule has golden values", () => {
  expect(new Set(golden.schedules.map(({ schedule }) => schedule))).toEqual(new Set(Object.keys(SCHEDULES)));
});

test("the last steps of long schedules have the right factor", () => {
  expect(scheduleFactor("linear", 99, 100, 0)).toBeCloseTo(0.01, 12);
  expect(scheduleFactor("cosine", 99, 100, 0)).toBeCloseTo(0.5 * (1 + Math.cos(0.99 * Math.PI)), 12);
});

test("a fractional number of warm-up steps is rounded up", () => {
  expect(scheduleFactor("constant", 1, 12, 0.1)).toBe(0.5);
  expect(scheduleFactor("constant", 2, 12, 0.1)).toBe(1);
});

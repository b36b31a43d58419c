import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
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
} from "../../src/optim/index.js";
import * as torch from "../../src/torch/index.js";
import { withThreads } from "../kernels/support.js";
import { expectSameBits } from "../torch/sameBits.js";

type Values = Readonly<Record<"weight" | "bias" | "scalar", readonly number[]>>;

interface StepsCase {
  readonly options: Partial<OptimizerOptions>;
  readonly start: Values;
  readonly steps: readonly { readonly learningRate: number; readonly gradients: Values; readonly after: Values }[];
  /** Of each tensor, at the end. */
  readonly state: readonly Readonly<
    Record<string, { readonly shape: readonly number[]; readonly values: readonly number[] }>
  >[];
}

interface Golden extends Readonly<Record<OptimizerName, readonly StepsCase[]>> {
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

const golden = JSON.parse(readFileSync(new URL("../golden/optim/optim.json", import.meta.url), "utf8")) as Golden;

const SHAPES = { weight: [3, 4], bias: [5], scalar: [] } as const;
const names = Object.keys(SHAPES) as (keyof Values)[];
const optimizers = Object.keys(OPTIMIZERS) as OptimizerName[];
const cases = optimizers.flatMap((name) => golden[name].map((entry) => ({ name, ...entry })));

/** Options that an optimiser does not use must make no difference. */
const optionsOf = (options: Partial<OptimizerOptions>): OptimizerOptions => ({
  adamBeta1: Number.NaN,
  adamBeta2: Number.NaN,
  adamEpsilon: Number.NaN,
  momentum: Number.NaN,
  weightDecay: Number.NaN,
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

test.each(cases)("$name steps as torch's with $options", ({ name, options: given, start, steps, state: kept }) => {
  const options = optionsOf(given);
  const tensors = tensorsOf(start);
  const state = initState(OPTIMIZERS[name], tensors, options);
  const parameters = tensors.map((tensor, i) => ({ tensor, decays: names[i] !== "bias" }));
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
      // Means of squares are compared with their own size: those of a gradient of one element differ by a million.
      expectClose(tensor.toArray(), values, 2e-6, what);
    }
  }
});

/** p' after the golden steps in float64, the last of which has `shift` added to its gradients. */
function ended(name: OptimizerName, { options: given, start, steps }: StepsCase, shift: number) {
  const options = optionsOf(given);
  const tensors = tensorsOf(start, "float64");
  const state = initState(OPTIMIZERS[name], tensors, options);
  const parameters = tensors.map((tensor) => ({ tensor, decays: true }));
  for (const [t, { learningRate, gradients }] of steps.entries()) {
    const isLast = t === steps.length - 1;
    const grads = tensorsOf(gradients, "float64").map((g) => torch.addScalar(g, isLast ? shift : 0));
    OPTIMIZERS[name].update(parameters, grads, state, learningRate, options);
    if (!isLast) continue;
    const v = tensors.map((tensor, i) => torch.addScalar(torch.zerosLike(tensor), i + 2));
    return { tensors, product: OPTIMIZERS[name].derivative?.(v, grads, state, learningRate, options) };
  }
  throw new Error("a case without steps");
}

test.each(cases.filter(({ name }) => OPTIMIZERS[name].derivative))(
  "$name answers to its gradient as its derivative says, with $options",
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
        if (tensor === "weight" && j === 0 && name === "adamw") continue; // never had a gradient: a kink
        expect(-(up[j]! - down[j]!) / (2 * h), `${tensor}[${j}]`).toBeCloseTo(value / (i + 2), 5);
      }
    }
    expect(here.product!.flatMap((tensor) => tensor.toArray()).every(Number.isFinite)).toBe(true);
  },
);

test.each(golden.sgd)("sgd's derivative is autograd's through the step as torch has it, with $options", (entry) => {
  const { options: given, start, steps } = entry;
  const { momentum, weightDecay } = optionsOf(given);
  const [first, second] = steps as [(typeof steps)[number], (typeof steps)[number]];
  const { learningRate } = second;
  for (const [i, p] of tensorsOf(start, "float64").entries()) {
    const [buffer, gradient] = [first, second].map(({ gradients }) => tensorsOf(gradients, "float64")[i]!);
    const g = gradient!.setRequiresGrad(true);
    const v = torch.addScalar(torch.square(p), 1);
    const decayed = torch.add(g, p, { alpha: weightDecay });
    const step = torch.add(torch.mulScalar(buffer!, momentum), decayed);
    const after = torch.sub(p, torch.mulScalar(step, learningRate));
    const [through] = torch.grad([after], [g], { gradOutputs: [v] });
    const state: OptimizerState = { steps: 2, memories: [{ momentum_buffer: step }] };
    const [product] = OPTIMIZERS.sgd.derivative!([v], [g], state, learningRate, optionsOf(given));
    expectClose(product!.toArray(), [...torch.neg(through!).toArray()], 1e-14, names[i]!);
  }
});

test("Adafactor has no derivative: what a step does to one element depends on all others", () => {
  expect(optimizers.filter((name) => !OPTIMIZERS[name].derivative)).toEqual(["adafactor"]);
});

test.each(optimizers)("%s's state outlives the scope it was made in, and a step raises a tensor's version", (name) => {
  const options = { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, momentum: 0.9, weightDecay: 0 };
  const tensors = [torch.tensor([1, 2]), torch.tensor([1, 2], [1, 2]).setRequiresGrad(true)];
  // A class instance is not looked into for tensors that the scope should hand on.
  const holder = torch.scope(
    () =>
      new (class {
        readonly state = initState(OPTIMIZERS[name], tensors, options);
      })(),
  );
  for (const momentum of [0.9, 0]) {
    const before = tensors.map(({ version }) => version);
    const gradients = tensors.map((tensor) => torch.noGrad(() => torch.onesLike(tensor)));
    const parameters = tensors.map((tensor) => ({ tensor, decays: true }));
    OPTIMIZERS[name].update(parameters, gradients, holder.state, 0.1, { ...options, momentum });
    for (const [i, tensor] of tensors.entries()) expect(tensor.version).toBeGreaterThan(before[i]!);
  }
});

test.each(optimizers)("%s: a step leaves nothing behind but what it remembers", (name) => {
  const options = { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, momentum: 0.9, weightDecay: 0.1 };
  const tensors = tensorsOf(golden.adamw[0]!.start);
  const state = initState(OPTIMIZERS[name], tensors, options);
  const parameters = tensors.map((tensor) => ({ tensor, decays: true }));
  const gradients = tensorsOf(golden.adamw[0]!.steps[0]!.gradients);
  const before = torch.liveHandles();
  for (let i = 0; i < 3; i++) OPTIMIZERS[name].update(parameters, gradients, state, 0.1, options);
  expect(torch.liveHandles()).toBe(before);
});

describe("AdamW on tensors that are not in row-major order", () => {
  const options = optionsOf({ adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-8, weightDecay: 0.1 });
  const { adamw } = OPTIMIZERS;
  const shape = [3, 4];
  const numbers = (seed: number) => torch.normal_(torch.empty(shape), 0, 1, { generator: new torch.Generator(seed) });
  const layouts: [string, (tensor: torch.Tensor) => torch.Tensor][] = [
    ["transposed", (tensor) => torch.t(torch.contiguous(torch.t(tensor)))],
    ["a part of another", (tensor) => torch.narrow(torch.cat([tensor, tensor], 1), 1, 0, 4)],
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
      adamw.update([{ tensor, decays: true }], [laid("gradient", numbers(seed))], state, 0.1, options);
    return [tensor, ...moments.map(([, moment]) => moment)].map((result) => result.toArray());
  }

  const expected = stepped((tensor) => tensor, "none");
  test.each(layouts)("%s: steps as on any other", (_, lay) => {
    for (const which of ["gradient", "parameter", "moments"] as const) {
      expect(stepped(lay, which), which).toEqual(expected);
    }
  });

  test("a gradient that is one number everywhere", () => {
    const [plain, expanded] = [torch.ones(shape), torch.expand(torch.ones([1, 1]), shape)].map((gradient) => {
      const tensor = numbers(1);
      adamw.update([{ tensor, decays: false }], [gradient], initState(adamw, [tensor], options), 0.1, options);
      return tensor.toArray();
    });
    expect(expanded).toEqual(plain);
  });
});

describe("AdamW's operator", () => {
  const options = optionsOf({ adamBeta1: 0.9, adamBeta2: 0.99, adamEpsilon: 1e-8, weightDecay: 0.1 });

  /** Small ones for one thread each and a large one for all, sizes that are multiples of nothing. */
  const SIZES = [[3, 4], [1], [0], [700, 31], [129, 77], [600, 700], [], [5000]] as const;

  test.each(["float32", "float64"] as const)("takes torch's fused step to the last bit, %s", (dtype) => {
    torch.scope(() => {
      const draw = (seed: number) => {
        const generator = new torch.Generator(seed);
        return SIZES.map((shape) => torch.normal_(torch.empty(shape, { dtype }), 0, 1, { generator }));
      };
      const [own, theirs] = [draw(1), draw(1)];
      const state = initState(OPTIMIZERS.adamw, own, options);
      const [means, squares] = [0, 1].map(() => theirs.map((tensor) => torch.zerosLike(tensor)));
      for (const step of [1, 2, 3]) {
        const gradients = draw(step + 1);
        const parameters = own.map((tensor, i) => ({ tensor, decays: i % 2 === 0 }));
        OPTIMIZERS.adamw.update(parameters, gradients, state, 0.01, options);
        for (const [i, tensor] of theirs.entries()) {
          const rates = { lr: 0.01, beta1: 0.9, beta2: 0.99, eps: 1e-8, amsgrad: false, maximize: false };
          const all = [[tensor], [gradients[i]!], [means![i]!], [squares![i]!]] as const;
          const count = torch.tensor([step], []);
          torch.fusedAdamw_(...all, [], [count], { ...rates, weightDecay: i % 2 === 0 ? 0.1 : 0 });
          expectSameBits(own[i]!, tensor);
          expectSameBits(state.memories[i]!.exp_avg!, means![i]!);
          expectSameBits(state.memories[i]!.exp_avg_sq!, squares![i]!);
        }
      }
    });
  });

  test("refuses lists that do not go together", () => {
    const [two, three] = [torch.ones([2]), torch.ones([3])];
    const rates = { lr: 1, beta1: 0.9, beta2: 0.99, weightDecay: 0, epsilon: 1e-8 };
    expect(() => torch.adamw_([two], [two], [two], [], 1, rates)).toThrow(/as many gradients and moments/);
    expect(() => torch.adamw_([two], [three], [two], [two], 1, rates)).toThrow(/like the tensor/);
    expect(() => torch.adamw_([two], [two], [two], [two], 0, rates)).toThrow(/the number of a step, from 1 on, got 0/);
  });
});

describe("the norm of many tensors", () => {
  const generator = new torch.Generator(5);
  const normal = (shape: readonly number[], dtype: torch.DType = "float32") =>
    torch.to(torch.normal_(torch.empty(shape), 0, 1, { generator }), dtype);

  test("is that of all their numbers in float64, with the same bits for any number of threads", () => {
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

  test("is not finite where one number is not", () => {
    for (const odd of [Number.NaN, Number.POSITIVE_INFINITY])
      expect(Number.isFinite(totalNorm([normal([9]), torch.tensor([1, odd]), normal([9])]))).toBe(false);
  });

  test("scaled tensors are each times the factor, and new", () => {
    const tensors = [normal([3, 5]), torch.t(normal([70, 90])), normal([600, 700]), normal([0])];
    const before = tensors.map((tensor) => torch.clone(tensor));
    for (const [i, result] of torch.scaled(tensors, 0.3).entries()) {
      expectSameBits(result, torch.mulScalar(before[i]!, 0.3));
      expectSameBits(tensors[i]!, before[i]!);
    }
  });
});

describe("clipping", () => {
  test.each(golden.clip)("to $maxNorm is torch's", ({ maxNorm, norm, gradients, clipped }) => {
    const given = tensorsOf(gradients);
    expect(totalNorm(given) / norm).toBeCloseTo(1, 6);
    const result = clipGradNorm(given, totalNorm(given), maxNorm);
    expectValues(result.gradients, clipped, 1e-6);
    expectValues(given, gradients, 1e-7);
    expect(result.factor).toBeCloseTo(clipped.weight[0]! / gradients.weight[0]!, 5);
  });

  test("no tensor at all has norm 0", () => {
    expect(totalNorm([])).toBe(0);
  });
});

test.each(golden.schedules)("$schedule over $steps steps, warm-up $warmupRatio, is transformers'", (entry) => {
  const { schedule, steps, warmupRatio, factors } = entry;
  for (const [t, factor] of factors.entries()) {
    expect(scheduleFactor(schedule, t, steps, warmupRatio), `step ${t}`).toBeCloseTo(factor, 12);
  }
});

test("every schedule is compared", () => {
  expect(new Set(golden.schedules.map(({ schedule }) => schedule))).toEqual(new Set(Object.keys(SCHEDULES)));
});

test("long schedules end where they should", () => {
  expect(scheduleFactor("linear", 99, 100, 0)).toBeCloseTo(0.01, 12);
  expect(scheduleFactor("cosine", 99, 100, 0)).toBeCloseTo(0.5 * (1 + Math.cos(0.99 * Math.PI)), 12);
});

test("a part of a step counts as a whole one of the warm-up", () => {
  expect(scheduleFactor("constant", 1, 12, 0.1)).toBe(0.5);
  expect(scheduleFactor("constant", 2, 12, 0.1)).toBe(1);
});

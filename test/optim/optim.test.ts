import { readFileSync } from "node:fs";
import { describe, expect, test } from "vitest";
import {
  type AdamWOptions,
  adamwDerivative,
  clipGradNorm,
  initAdamW,
  type ScheduleName,
  scheduleFactor,
  stepAdamW,
  totalNorm,
} from "../../src/optim/index.js";
import * as torch from "../../src/torch/index.js";

type Values = Readonly<Record<"weight" | "bias" | "scalar", readonly number[]>>;

interface Golden {
  readonly adamw: readonly {
    readonly options: AdamWOptions;
    readonly start: Values;
    readonly steps: readonly { readonly learningRate: number; readonly gradients: Values; readonly after: Values }[];
  }[];
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

describe("AdamW", () => {
  test.each(golden.adamw)("steps as torch's with $options", ({ options, start, steps }) => {
    const tensors = tensorsOf(start);
    const state = initAdamW(tensors);
    const parameters = tensors.map((tensor, i) => ({ tensor, decays: names[i] !== "bias" }));
    for (const { learningRate, gradients, after } of steps) {
      stepAdamW(parameters, tensorsOf(gradients), state, learningRate, options);
      expectValues(tensors, after, 1e-6);
    }
    expect(state.steps).toBe(steps.length);
  });

  test.each(golden.adamw)(
    "answers to its gradient as its derivative says, with $options",
    ({ options, start, steps }) => {
      const h = 1e-5;
      const [here, ahead, behind] = [0, h, -h].map((shift): Ended => {
        const tensors = tensorsOf(start, "float64");
        const state = initAdamW(tensors);
        const parameters = tensors.map((tensor) => ({ tensor, decays: true }));
        for (const [t, { learningRate, gradients }] of steps.entries()) {
          const isLast = t === steps.length - 1;
          const given = tensorsOf(gradients, "float64").map((g) => torch.addScalar(g, isLast ? shift * 10 : 0));
          stepAdamW(parameters, given, state, learningRate, options);
          if (isLast) return { tensors, derivative: adamwDerivative(given, state, learningRate, options) };
        }
        throw new Error("a case without steps");
      }) as [Ended, Ended, Ended];

      for (const [i, name] of names.entries()) {
        const [up, down, derivative] = [ahead.tensors[i]!, behind.tensors[i]!, here.derivative[i]!].map((t) =>
          t.toArray(),
        ) as [number[], number[], number[]];
        for (const [j, value] of derivative.entries()) {
          if (name === "weight" && j === 0) continue; // never had a gradient: a kink
          expect(-(up[j]! - down[j]!) / (20 * h), `${name}[${j}]`).toBeCloseTo(value, 5);
        }
      }
      expect(here.derivative.flatMap((tensor) => tensor.toArray()).every(Number.isFinite)).toBe(true);
    },
  );
});

describe("AdamW on tensors that are not in row-major order", () => {
  const options = { beta1: 0.9, beta2: 0.99, epsilon: 1e-8, weightDecay: 0.1 };
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
    const fresh = initAdamW([tensor]);
    const moments = (list: readonly torch.Tensor[]) => list.map((moment) => laid("moments", moment));
    const state = { ...fresh, expAvg: moments(fresh.expAvg), expAvgSq: moments(fresh.expAvgSq) };
    for (const seed of [2, 3, 4])
      stepAdamW([{ tensor, decays: true }], [laid("gradient", numbers(seed))], state, 0.1, options);
    return [tensor, ...state.expAvg, ...state.expAvgSq].map((result) => result.toArray());
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
      stepAdamW([{ tensor, decays: false }], [gradient], initAdamW([tensor]), 0.1, options);
      return tensor.toArray();
    });
    expect(expanded).toEqual(plain);
  });
});

test("AdamW's state outlives the scope it was made in, and a step is seen by those who watch a tensor's version", () => {
  const tensor = torch.tensor([1, 2]);
  // A class instance is not looked into for tensors that the scope should hand on.
  const holder = torch.scope(
    () =>
      new (class {
        readonly state = initAdamW([tensor]);
      })(),
  );
  const before = tensor.version;
  const options = { beta1: 0.9, beta2: 0.999, epsilon: 1e-8, weightDecay: 0 };
  stepAdamW([{ tensor, decays: true }], [torch.tensor([1, 1])], holder.state, 0.1, options);
  expect(tensor.version).toBeGreaterThan(before);
});

interface Ended {
  readonly tensors: readonly torch.Tensor[];
  readonly derivative: readonly torch.Tensor[];
}

describe("clipping", () => {
  test.each(golden.clip)("to $maxNorm is torch's", ({ maxNorm, norm, gradients, clipped }) => {
    const given = tensorsOf(gradients);
    expect(totalNorm(given) / norm).toBeCloseTo(1, 6);
    const result = clipGradNorm(given, maxNorm);
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

test("long schedules end where they should", () => {
  expect(scheduleFactor("linear", 99, 100, 0)).toBeCloseTo(0.01, 12);
  expect(scheduleFactor("cosine", 99, 100, 0)).toBeCloseTo(0.5 * (1 + Math.cos(0.99 * Math.PI)), 12);
});

test("a part of a step counts as a whole one of the warm-up", () => {
  expect(scheduleFactor("constant", 1, 12, 0.1)).toBe(0.5);
  expect(scheduleFactor("constant", 2, 12, 0.1)).toBe(1);
});

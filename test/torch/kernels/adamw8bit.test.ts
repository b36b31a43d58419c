import { readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import { CODE_VALUES, STATE_BLOCK } from "../../../src/torch/operators/adamw8bit.js";
import { withFormulas } from "../../../src/torch/operators/choose.js";
import { initState, OPTIMIZERS, type OptimizerOptions } from "../../../src/torch/optim/index.js";
import { GOLDEN } from "../../support/golden.js";
import { expectSameBits } from "../sameBits.js";
import { drawer, withThreads } from "./support.js";

interface Golden {
  readonly cases: readonly {
    readonly dtype: torch.DType;
    readonly rates: readonly number[];
    readonly options: Omit<OptimizerOptions, "momentum"> & { readonly weightDecay: number };
  }[];
}

const file = (name: string) => join(GOLDEN, `optim/${name}`);
const golden = JSON.parse(readFileSync(file("adamw8bit.json"), "utf8")) as Golden;
const tensors = openSafetensors(file("adamw8bit.safetensors"));
const NAMES = ["weight", "bias", "few"] as const;
const { adamw8bit } = OPTIMIZERS;
const optionsOf = (options: Partial<OptimizerOptions>): OptimizerOptions => ({
  ...{ adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8, momentum: Number.NaN },
  ...options,
});

/** bfloat16 parameters may be rounded the other way, where a computation ends in the middle between two. */
const TOLERANCE = { float32: 1e-6, bfloat16: 2 ** -8 } as const;

/** Relative to each number, and not to less than `floor`: a step can end near 0. */
function expectClose(actual: torch.Tensor, expected: torch.Tensor, tolerance: number, floor: number, what: string) {
  const wanted = expected.toArray();
  expect([actual.dtype, actual.shape], what).toEqual([expected.dtype, expected.shape]);
  const wrong = [...actual.toArray()].findIndex(
    (value, i) => !(Math.abs(value - wanted[i]!) <= tolerance * Math.max(floor, Math.abs(wanted[i]!))),
  );
  if (wrong >= 0) expect.fail(`${what}[${wrong}]: ${actual.toArray()[wrong]}, not ${wanted[wrong]}`);
}

describe.each([
  ["kernel", (body: () => void) => body()],
  ["formula", (body: () => void) => withFormulas(body)],
] as const)("the %s", (_, run) => {
  test.each([...golden.cases.entries()])(
    "makes bitsandbytes' steps, case %i",
    (at, { dtype, rates, options: given }) => {
      const options = optionsOf(given);
      const read = (name: string) => tensors.readTensor(name);
      run(() =>
        torch.scope(() => {
          const parameters = NAMES.map((name) => ({
            tensor: torch.castTo(read(`start.${name}`), dtype),
            weightDecay: name === "bias" ? 0 : given.weightDecay,
          }));
          const state = initState(
            adamw8bit,
            parameters.map(({ tensor }) => tensor),
            options,
          );
          for (const [step, rate] of rates.entries()) {
            const gradients = NAMES.map((name) => torch.castTo(read(`gradient.${step}.${name}`), dtype));
            adamw8bit.update(parameters, gradients, state, rate, options);
            if (step % 2 === 1) continue;
            for (const [i, name] of NAMES.entries()) {
              const what = `${at}.${step}.${name}`;
              expectClose(parameters[i]!.tensor, read(what), TOLERANCE[dtype as "float32"], 1, what);
              for (const [key, memory] of Object.entries(state.memories[i]!)) {
                if (memory.dtype === "uint8") expectSameBits(memory, read(`${what}.${key}`), `${what}.${key}`);
                else expectClose(memory, read(`${what}.${key}`), 1e-6, 1e-30, `${what}.${key}`);
              }
            }
          }
          for (const memory of state.memories) for (const tensor of Object.values(memory)) tensor.dispose();
        }),
      );
    },
  );

  test("has bitsandbytes' values of codes, to the last bit", () => {
    expectSameBits(torch.tensor(CODE_VALUES.signed), tensors.readTensor("signed"));
    expectSameBits(torch.tensor(CODE_VALUES.unsigned), tensors.readTensor("unsigned"));
  });

  /** Codes of numbers whose blocks have a scale of 1. */
  function codesOf(numbers: readonly number[]): number[] {
    return torch.scope(() => {
      const perBlock = STATE_BLOCK - 1;
      const blocks = Array.from({ length: Math.ceil(numbers.length / perBlock) }, (_, block) =>
        numbers.slice(block * perBlock, (block + 1) * perBlock),
      );
      const padded = blocks.flatMap((block) => [...block, ...new Array(perBlock - block.length).fill(0), 1]);
      const gradient = torch.tensor(Float32Array.from(padded));
      const state = initState(adamw8bit, [gradient], optionsOf({}));
      const parameters = [{ tensor: torch.clone(gradient), weightDecay: 0 }];
      run(() => adamw8bit.update(parameters, [gradient], state, 0, optionsOf({ adamBeta1: 0 })));
      const codes = [...state.memories[0]!.state1!.toArray()];
      for (const tensor of Object.values(state.memories[0]!)) tensor.dispose();
      return codes.filter((_, i) => i % STATE_BLOCK !== perBlock).slice(0, numbers.length);
    });
  }

  const values = CODE_VALUES.signed;
  const middles = [...values].slice(1).map((value, i) => Math.fround((value + values[i]!) / 2));
  const nearest = (x: number) => middles.filter((middle) => middle < x).length;
  const bits = new Uint32Array(1);
  const asFloat = new Float32Array(bits.buffer);
  const shifted = (x: number, by: number) => {
    asFloat[0] = x;
    bits[0]! += by;
    return asFloat[0]!;
  };

  test("a block whose scale has no finite reciprocal keeps its zeros", () => {
    torch.scope(() => {
      const gradient = torch.tensor(Float32Array.from({ length: 4096 }, (_, i) => (i === 0 ? 1e-40 : 0)));
      const state = initState(adamw8bit, [gradient], optionsOf({}));
      const parameters = [{ tensor: torch.zeros([4096]), weightDecay: 0 }];
      run(() => adamw8bit.update(parameters, [gradient], state, 0, optionsOf({ adamBeta1: 0 })));
      const { state1, absmax1 } = state.memories[0]!;
      expect([...absmax1!.toArray()].slice(0, 2)).toEqual([Math.fround(1e-40), 0]);
      expect(new Set([...state1!.toArray()].slice(1, STATE_BLOCK))).toEqual(new Set([nearest(0)]));
      for (const tensor of Object.values(state.memories[0]!)) tensor.dispose();
    });
  });

  test("steps stay below twice the rate where gradients of a block span nine decades, and are 0 in between", () => {
    torch.scope(() => {
      const [count, rate] = [4096, 1e-3];
      const tensor = torch.zeros([count]);
      const gradient = torch.tensor(
        Float32Array.from({ length: count }, (_, i) => 10 ** (-9 * (((i * 97) % count) / count))),
      );
      const none = torch.zeros([count]);
      const state = initState(adamw8bit, [tensor], optionsOf({}));
      for (let step = 0; step < 120; step++) {
        const before = torch.clone(tensor);
        const gradients = [step % 50 < 10 ? gradient : none];
        run(() => adamw8bit.update([{ tensor, weightDecay: 0 }], gradients, state, rate, optionsOf({})));
        expect(torch.max(torch.abs(torch.sub(tensor, before))).item() / rate, `step ${step}`).toBeLessThan(2);
      }
      for (const memory of Object.values(state.memories[0]!)) memory.dispose();
    });
  });

  test("a second moment has code 0 if and only if it is 0", () => {
    torch.scope(() => {
      const roots = [0, 1e-19, 1e-9, 1e-5, 3.9e-4, 4.1e-4, 1];
      const gradient = torch.tensor(Float32Array.from({ length: 4096 }, (_, i) => roots[i % roots.length]!));
      const state = initState(adamw8bit, [gradient], optionsOf({}));
      const parameters = [{ tensor: torch.zeros([4096]), weightDecay: 0 }];
      run(() => adamw8bit.update(parameters, [gradient], state, 0, optionsOf({ adamBeta2: 0 })));
      const codes = [...state.memories[0]!.state2!.toArray()].slice(0, roots.length);
      expect(codes).toEqual([0, 1, 1, 1, 1, 1, 255]);
      for (const memory of Object.values(state.memories[0]!)) memory.dispose();
    });
  });

  test("finds the nearest code of every kind of number", () => {
    const around = middles.flatMap((middle) => [-1, 0, 1].map((by) => shifted(middle, by)));
    const ends = Array.from({ length: 2 * 26 * 128 }, (_, i) => {
      const magnitude = (127 - 25) * 2 ** 23 + (i >> 1) * 2 ** 16;
      bits[0] = magnitude - (i % 2);
      return asFloat[0]!;
    }).filter((x) => x <= 1);
    const special = [0, -0, 1, -1, 2 ** -149, -(2 ** -149), 1e-30, -1e-30, 1e-9, -1e-9];
    const numbers = [...values, ...around, ...ends, ...ends.map((x) => -x), ...special];
    expect(codesOf(numbers)).toEqual(numbers.map(nearest));
  });
});

/** Parameters whose state is in 8 bits, after three steps: one for all threads and two for one, none of whole blocks. */
function stepped(dtype: torch.DType, lay = (tensor: torch.Tensor) => tensor) {
  const draw = drawer(3);
  const options = optionsOf({});
  const shapes = [[600, 701], [67, 71], [4097]];
  const parameters = shapes.map((shape, i) => ({
    tensor: lay(torch.clone(draw(shape, dtype))),
    weightDecay: i === 1 ? 0 : 0.1,
  }));
  const state = initState(
    adamw8bit,
    parameters.map(({ tensor }) => tensor),
    options,
  );
  for (let step = 1; step <= 3; step++) {
    const gradients = shapes.map((shape) => lay(draw(shape, dtype)));
    adamw8bit.update(parameters, gradients, state, 0.01, options);
  }
  return [...parameters.map(({ tensor }) => tensor), ...state.memories.flatMap((memory) => Object.values(memory))];
}

const transposed = (tensor: torch.Tensor) =>
  tensor.shape.length === 2 ? torch.t(torch.clone(torch.contiguous(torch.t(tensor)))) : tensor;

/** The share of numbers that differ by more than `tolerance`, relative to them or to 1. */
function shareApart(actual: torch.Tensor, expected: torch.Tensor, tolerance: number): number {
  const [own, wanted] = [actual, expected].map((tensor) => torch.to(tensor, "float64")) as [torch.Tensor, torch.Tensor];
  const allowed = torch.mulScalar(torch.clampMin(torch.abs(wanted), 1), tolerance);
  return torch
    .mean(torch.to(torch.gtScalar(torch.sub(torch.abs(torch.sub(own, wanted)), allowed), 0), "float64"))
    .item();
}

test.each([
  ["float32", 1e-6],
  ["float64", 1e-12],
  ["bfloat16", 2 ** -7],
] as const)("%s: the kernel's steps are the formula's, but for numbers between two codes", (dtype, tolerance) => {
  torch.scope(() => {
    const [own, formula] = [stepped(dtype), withFormulas(() => stepped(dtype))];
    for (const [i, tensor] of own.entries()) {
      const isCodes = tensor.dtype === "uint8";
      expect(shareApart(tensor, formula[i]!, isCodes ? 0 : i < 3 ? tolerance : 1e-6), `${i}`).toBeLessThan(1e-4);
      if (isCodes) expect(shareApart(tensor, formula[i]!, 1), `${i}`).toBe(0);
    }
    for (const tensor of [...own, ...formula]) tensor.dispose();
  });
});

test("any number of threads gives the same bits", () => {
  torch.scope(() => {
    const [one, ...others] = [1, 2, 3].map((threads) => withThreads(threads, () => stepped("float32")));
    for (const other of others) for (const [i, tensor] of one!.entries()) expectSameBits(other[i]!, tensor);
    for (const tensor of [one!, ...others].flat()) tensor.dispose();
  });
});

test("transposed parameters and gradients get the same bits", () => {
  torch.scope(() => {
    const [rowMajor, columnMajor] = [stepped("float32"), stepped("float32", transposed)];
    for (const [i, tensor] of rowMajor.entries()) expectSameBits(torch.contiguous(columnMajor[i]!), tensor);
    for (const tensor of [...rowMajor, ...columnMajor]) tensor.dispose();
  });
});

describe("the operator", () => {
  const rates = { lr: 0.1, beta1: 0.9, beta2: 0.99, weightDecay: 0.1, epsilon: 1e-8 };
  const values = (isSigned: boolean) => torch.tensor(isSigned ? CODE_VALUES.signed : CODE_VALUES.unsigned);
  const call = (change: Partial<Record<"gradient" | "codes" | "scales" | "values", torch.Tensor>>, step = 1) => {
    const parameter = torch.ones([300]);
    const given = {
      gradient: torch.ones([300]),
      codes: torch.zeros([300], { dtype: "uint8" }),
      scales: torch.zeros([2]),
      values: values(true),
      ...change,
    };
    const second = [torch.zeros([300], { dtype: "uint8" }), torch.zeros([2])] as const;
    torch.adamw8bit_(
      ...[[parameter], [given.gradient], [given.codes], [given.scales], [second[0]], [second[1]]],
      ...[given.values, values(false), step, rates],
    );
  };

  test.each([
    [
      { gradient: torch.ones([299]) },
      /gradients of the parameter's dtype and shape, Float of \[300\], got Float of \[299\]/,
    ],
    [{ gradient: torch.ones([300], { dtype: "float64" }) }, /got Double of/],
    [{ codes: torch.zeros([300]) }, /uint8 codes of the parameter's shape, \[300\], got Float/],
    [{ codes: torch.zeros([256], { dtype: "uint8" }) }, /uint8 codes .* got Byte of \[256\]/],
    [{ scales: torch.zeros([1]) }, /a float32 scale for every 256 elements, 2, got Float of \[1\]/],
    [{ scales: torch.zeros([2], { dtype: "float64" }) }, /got Double of \[2\]/],
    [{ values: torch.zeros([255]) }, /256 float32 values of codes, got Float of \[255\]/],
    [{ values: torch.zeros([256]) }, /ascending order, got 0 before 0/],
    [
      { values: torch.mulScalar(torch.arange(256, { dtype: "float32" }), 1e-9) },
      /at most two are nearest to the numbers/,
    ],
  ] as const)("refuses what does not fit, case %#", (change, message) => {
    expect(() => call(change)).toThrow(message);
  });

  test("refuses step 0, and lists of different lengths", () => {
    expect(() => call({}, 0)).toThrow(/a step number of at least 1, got 0/);
    const [one, values256] = [torch.ones([1]), values(true)];
    expect(() => torch.adamw8bit_([one], [one], [], [], [], [], values256, values256, 1, rates)).toThrow(
      /as many gradients and states as parameters, 1, got 0/,
    );
  });
});

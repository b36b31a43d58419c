// Attention by libtorch's fused operators for CUDA. There is no card here, so stand-ins on the CPU take their place: they compute what the
// operators' documentation says of their arguments, key by key.
import { afterEach, beforeAll, describe, expect, test, vi } from "vitest";
import type * as Operators from "../../../src/torch/generated/operators.js";
import * as torch from "../../../src/torch/index.js";
import { attentionCached } from "../../../src/torch/operators/attention/attentionCached.js";
import {
  attendOnDevice,
  efficient,
  efficientAttentionRule,
  flash,
  flashAttentionRule,
  isRight,
} from "../../../src/torch/operators/attention/fusedAttention.js";
import {
  type AttentionLimits,
  type AttentionOptions,
  attendByFormula,
} from "../../../src/torch/operators/attention/plainAttention.js";
import { rowLayout } from "../../../src/torch/operators/attention/rows.js";
import type { BackwardState } from "../../../src/torch/operators/rule.js";
import { drawer, expectAlike } from "../kernels/support.js";

/** The fused operators that this "card" has, their calls, and whether its windows are one key too long. */
const card = vi.hoisted(() => ({ has: ["flash", "efficient"], calls: [] as string[], isWrong: false }));

vi.mock("../../../src/torch/operators/choose.js", async (original) => ({
  ...(await original<object>()),
  usesKernel: () => false,
  usesFused: () => true,
}));

vi.mock("../../../src/torch/generated/operators.js", async (original) => {
  const real = await original<typeof Operators>();
  const standIns: Pick<typeof Operators, "flashAttention" | "efficientAttention"> = {
    flashAttention(q, k, v, cuQ, cuK, maxQ, maxK, dropout, isCausal, debugs, options = {}) {
      record("flash");
      const { scale, windowSizeLeft: left, windowSizeRight: right } = options;
      if (q.shape[2]! % 8 !== 0) throw new torch.TorchError("head_size should be a multiple of 8", "flash", "", "");
      expect([dropout, debugs, q.dtype === "float32"]).toEqual([0, false, false]);
      expect([isCausal, left, right].join()).toMatch(/^(true,-1,0|false,(-1,-1|\d+,\d+))$/);
      expectSpans(cuQ!, q, maxQ);
      expectSpans(cuK!, k, maxK);
      const longer = card.isWrong ? 1 : 0;
      const sees = (distance: number) =>
        (left! < 0 || distance <= left! + longer) && (right! < 0 || -distance <= right!);
      return [slow(q, k, v, [cuQ!, cuK!], scale!, sees), ...others(4)] as never;
    },
    efficientAttention(q, k, v, bias, cuQ, cuK, maxQ, maxK, dropout, mask, _sums, options = {}) {
      record("efficient");
      expect([bias, dropout, q.shape[0], k.shape[0], k.shape[2]]).toEqual([null, 0, 1, 1, q.shape[2]]);
      const [one, two, three] = [q, k, v].map((x) => torch.squeeze(x, 0)) as [torch.Tensor, torch.Tensor, torch.Tensor];
      expectSpans(cuQ!, one, maxQ!);
      expectSpans(cuK!, two, maxK!);
      expect([0, 2]).toContain(mask);
      const found = slow(one, two, three, [cuQ!, cuK!], options.scale!, (distance) => mask === 0 || distance >= 0);
      return [torch.unsqueeze(found, 0), ...others(3), 0, 0] as never;
    },
  };
  return { ...real, ...standIns };
});

function record(name: string): void {
  card.calls.push(name);
  if (card.has.includes("a bug")) throw new RangeError("a bug");
  if (!card.has.includes(name)) throw new torch.TorchError(`no ${name}`, name, "", "");
}

const others = (count: number) => Array.from({ length: count }, () => torch.ones([1]));

/** [rows + 1] int32 from 0 to the number of tokens, and the longest row. */
function expectSpans(offsets: torch.Tensor, x: torch.Tensor, longest: number): void {
  const ends = offsets.toArray();
  expect([offsets.dtype, ends[0], ends.at(-1)]).toEqual(["int32", 0, x.shape[0]]);
  expect(longest).toBe(Math.max(...ends.slice(1).map((end, i) => end - ends[i]!)));
}

/** q: [N, H, D], k and v: [M, G, D]; `sees` says whether a query sees the key so far before its own position. */
function slow(
  q: torch.Tensor,
  k: torch.Tensor,
  v: torch.Tensor,
  [ofQueries, ofKeys]: readonly [torch.Tensor, torch.Tensor],
  scale: number,
  sees: (distance: number) => boolean,
): torch.Tensor {
  const [starts, keyStarts] = [ofQueries.toArray(), ofKeys.toArray()];
  const times = q.shape[1]! / k.shape[1]!;
  const rows: torch.Tensor[] = [];
  for (let row = 0; row + 1 < starts.length; row++) {
    const [count, keys] = [starts, keyStarts].map((of) => of[row + 1]! - of[row]!) as [number, number];
    for (let i = 0; i < count; i++) {
      const visible = Array.from({ length: keys }, (_, j) => j).filter((j) => sees(i + keys - count - j));
      const places = torch.tensor(
        visible.map((j) => keyStarts[row]! + j),
        [visible.length],
        "int64",
      );
      const heads = Array.from({ length: q.shape[1]! }, (_, head) => {
        const pick = (of: torch.Tensor) => torch.select(torch.indexSelect(of, 0, places), 1, Math.floor(head / times));
        const query = torch.select(torch.select(q, 0, starts[row]! + i), 0, head);
        const weights = torch.softmax(torch.mulScalar(torch.mv(pick(k), query), scale), 0);
        return torch.mv(torch.t(pick(v)), weights);
      });
      rows.push(torch.stack(heads, 0));
    }
  }
  return torch.stack(rows, 0);
}

afterEach(() => {
  card.has = ["flash", "efficient"];
  card.calls = [];
  card.isWrong = false;
});

type Tensors = readonly torch.Tensor[];

const [HEADS, LENGTHS, KEYS] = [4, [3, 1, 6], [5, 1, 6]];
const total = (lengths: readonly number[]) => lengths.reduce((a, b) => a + b);

const ALL = { before: null, after: null };
const CAUSAL = { before: null, after: 0 };
const SLIDING = { before: 2, after: 0 };
const BOTH_SIDES = { before: 1, after: 2 };

interface Form {
  readonly isBiased?: boolean;
  readonly limits?: AttentionLimits;
  readonly dtype?: torch.DType;
  readonly kvHeads?: number;
  readonly headSize?: number;
  readonly requiresGrad?: boolean;
  readonly more?: Partial<AttentionOptions>;
}

/** Compares with the formula, and gives the name of the operator that computed it. */
function attended({
  limits = ALL,
  dtype = "bfloat16",
  kvHeads = 2,
  headSize = 8,
  requiresGrad,
  isBiased,
  more,
}: Form): string {
  const draw = drawer(3);
  const widths = [HEADS, kvHeads, kvHeads].map((heads) => heads * headSize);
  const shapes = widths.map((width, i) => [total(i === 0 ? LENGTHS : KEYS), width]);
  const [q, k, v] = shapes.map((shape) => draw(shape, dtype)) as [torch.Tensor, torch.Tensor, torch.Tensor];
  if (requiresGrad) v.setRequiresGrad(true);
  const rows = { layout: rowLayout(LENGTHS), keyLayout: rowLayout(KEYS) };
  const bias = isBiased ? draw([HEADS, Math.max(...LENGTHS), Math.max(...KEYS)], dtype) : undefined;
  const options = { heads: HEADS, kvHeads, ...rows, limits, scale: 0.3, bias, ...more };
  const found = attendOnDevice(q, k, v, options);
  const last = card.calls.at(-1) ?? "formula";
  expectAlike([found], [attendByFormula(q, k, v, options)], dtype === "float32" ? 1e-6 : 2e-2);
  return last;
}

describe("which operator computes attention", () => {
  beforeAll(() => {
    torch.scope(() => {
      for (const dtype of ["float32", "float16", "bfloat16"] as const) attended({ dtype });
    });
    card.calls = [];
  });

  const masked = { dropout: { p: 0.3, mask: { seed: 1, stream: 2 } } };
  const biased = { scores: (q: torch.Tensor, k: torch.Tensor) => torch.matmul(q, torch.transpose(k, 2, 3)) };
  test.each<[string, string, Form]>([
    ["all keys in bfloat16", "flash", {}],
    ["a key head for each query head", "flash", { kvHeads: HEADS }],
    ["causal attention in float16", "flash", { limits: CAUSAL, dtype: "float16" }],
    ["a sliding window", "flash", { limits: SLIDING }],
    ["a window to both sides", "flash", { limits: BOTH_SIDES }],
    ["float32", "efficient", { dtype: "float32" }],
    ["causal attention in float32", "efficient", { dtype: "float32", limits: CAUSAL, kvHeads: 1 }],
    ["a sliding window in float32", "formula", { dtype: "float32", limits: SLIDING }],
    ["heads too large for flash attention's gradients", "efficient", { headSize: 200, requiresGrad: true }],
    ["heads too large for any", "formula", { headSize: 264 }],
    ["heads of a size that is no multiple of 8", "formula", { headSize: 12 }],
    ["float64", "formula", { dtype: "float64" }],
    ["dropout of the weights", "formula", { more: masked }],
    ["an added term", "formula", { more: biased }],
    ["a bias", "formula", { isBiased: true }],
  ])("%s: %s", (_, name, form) => {
    torch.scope(() => expect(attended(form)).toBe(name));
  });

  test("a cache's attention has one too", () => {
    torch.scope(() => {
      const spans = { starts: [0, 4], lengths: [3, 2], startsTensor: longs(0, 4), lengthsTensor: longs(3, 2) };
      const draw = drawer(5);
      const cached = { keys: { rows: draw([8, 8], "bfloat16") }, values: { rows: draw([8, 8], "bfloat16") }, ...spans };
      const options = { heads: 2, kvHeads: 1, layout: rowLayout([1, 2]), scale: undefined, before: undefined };
      attentionCached(draw([3, 16], "bfloat16"), cached, options);
      expect(card.calls).toEqual(["flash"]);
    });
  });
});

const longs = (...numbers: number[]) => torch.tensor(numbers, [numbers.length], "int64");

describe("an operator is used on a device", () => {
  test("where it finds what the formula finds", () => {
    expect(isRight(flash, "cpu", "bfloat16")).toBe(true);
    expect(isRight(efficient, "cpu", "float32")).toBe(true);
    expect(card.calls).toEqual(["flash", "flash", "flash", "flash", "efficient", "efficient"]);
  });

  test("not where its windows are of another size", () => {
    card.isWrong = true;
    expect(isRight(flash, "cpu", "bfloat16")).toBe(false);
  });

  test("not where the device or libtorch lacks it", () => {
    card.has = [];
    expect(isRight(flash, "cpu", "bfloat16")).toBe(false);
    expect(isRight(efficient, "cpu", "float32")).toBe(false);
  });

  test("other errors are passed on", () => {
    card.has = ["a bug"];
    expect(() => isRight(flash, "cpu", "bfloat16")).toThrow(RangeError);
  });
});

describe("the derivatives of a fused operator's results and gradients are those of the formula", () => {
  /** [N, H, D] and [M, G, D] */
  const shapes = [[10, 2, 4], ...[1, 2].map(() => [12, 1, 4])];
  const rows = { layout: rowLayout(LENGTHS), keyLayout: rowLayout(KEYS) };
  const offsets = [rows.layout, rows.keyLayout].map(({ cuSeqlens }) => torch.to(cuSeqlens, "int32"));
  const places = [0, 1, 2, 3, 4].map((place) => ({ place }));
  const STEP = 1e-5;

  /** The operator's call by its recorded arguments, and what it computes. */
  const CASES = {
    "flash attention in a window": {
      rule: flashAttentionRule,
      given: [...places, 6, 6, 0, false, false, 0.3, 2, 1, null, null],
      limits: { before: 2, after: 1 },
      batched: (x: torch.Tensor) => x,
    },
    "causal flash attention": {
      rule: flashAttentionRule,
      given: [...places, 6, 6, 0, true, false, 0.3, -1, 0, null, null],
      limits: CAUSAL,
      batched: (x: torch.Tensor) => x,
    },
    "efficient attention to all keys": {
      rule: efficientAttentionRule,
      given: [...places.slice(0, 3), null, ...places.slice(3), 6, 6, 0, 0, true, 0.3, null, null],
      limits: ALL,
      batched: (x: torch.Tensor) => torch.unsqueeze(x, 0),
    },
    "causal efficient attention": {
      rule: efficientAttentionRule,
      given: [...places.slice(0, 3), null, ...places.slice(3), 6, 6, 0, 2, true, 0.3, null, null],
      limits: CAUSAL,
      batched: (x: torch.Tensor) => torch.unsqueeze(x, 0),
    },
  };

  test.each(Object.entries(CASES))("%s", (_, { rule, given, limits, batched }) => {
    torch.scope(() => {
      const draw = drawer(11);
      const drawn = () => shapes.map((shape) => draw(shape, "float64"));
      const [values, along] = [drawn(), drawn()];
      const gradient = draw(shapes[0]!, "float64");
      const of = (inputs: Tensors) => {
        const flat = inputs.map((x) => torch.flatten(x, 1)) as [torch.Tensor, torch.Tensor, torch.Tensor];
        return torch.reshape(
          attendByFormula(...flat, { heads: 2, kvHeads: 1, ...rows, limits, scale: 0.3 }),
          shapes[0]!,
        );
      };
      const gradientsOf = (inputs: Tensors) => {
        const leaves = inputs.map((x) => torch.clone(x).setRequiresGrad(true));
        return torch.grad([of(leaves)], leaves, { gradOutputs: [gradient] }) as Tensors;
      };
      const moved = (sign: number) => values.map((x, i) => torch.add(x, along[i]!, { alpha: sign * STEP }));
      const slope = (after: torch.Tensor, before: torch.Tensor) => torch.divScalar(torch.sub(after, before), 2 * STEP);

      const changes = new Map<number, torch.Tensor>();
      const all = [...values.map(batched), ...offsets];
      const state = {
        call: { index: 0, operator: "", arguments: given, inputs: [0, 1, 2, 3, 4], results: [5], writes: false },
        value: (id: number) => all[id]!,
        tangent: (id: number) => along[id] && batched(along[id]),
        gradient: () => batched(gradient),
        change: () => undefined,
        wantsGradient: () => false,
        wantsChange: (id: number) => id < 3,
        addGradient: () => undefined,
        addChange: (id: number, change: torch.Tensor) => changes.set(id, change),
      } as unknown as BackwardState;
      expectAlike(rule.tangents(state), [batched(slope(of(moved(1)), of(moved(-1))))], 1e-7);
      rule.backward(state);
      const slopes = gradientsOf(moved(1)).map((after, i) => batched(slope(after, gradientsOf(moved(-1))[i]!)));
      expectAlike([changes.get(0), changes.get(1), changes.get(2)], slopes, 1e-7);
    });
  });
});

// Each operator's tangents against central differences of its gradients, in float64, element by element.
import { describe, expect, test } from "vitest";
import * as torch from "../../../src/torch/index.js";
import { recordForward } from "../../../src/torch/tangents/index.js";

type Tensors = readonly torch.Tensor[];

interface Case {
  readonly name: string;
  readonly shapes: readonly (readonly number[])[];
  readonly apply: (...inputs: torch.Tensor[]) => torch.Tensor | Tensors;
  /** Which inputs move, and of which gradients are wanted: all unless given. */
  readonly moving?: readonly number[];
  readonly wanted?: readonly number[];
  readonly scale?: number;
}

const random = (shape: readonly number[], seed: number, scale = 1) =>
  torch.mulScalar(
    torch.normal_(torch.empty(shape, { dtype: "float64" }), 0, 1, { generator: new torch.Generator(seed) }),
    scale,
  );

/** Σ sin(result)∘weights: neither linear nor symmetric. */
function lossOf({ apply }: Case, inputs: Tensors): torch.Tensor {
  const results = apply(...inputs);
  const parts = ("shape" in results ? [results as torch.Tensor] : (results as Tensors)).map((result, i) =>
    torch.sum(torch.mul(torch.sin(result), random(result.shape, 90 + i))),
  );
  return parts.reduce((sum, part) => torch.add(sum, part));
}

function check(one: Case): void {
  torch.scope(() => {
    const { shapes, scale } = one;
    const all = shapes.map((_, i) => i);
    const { moving = all, wanted = all } = one;
    const values = shapes.map((shape, i) => random(shape, i + 1, scale));
    const u = moving.map((i) => random(shapes[i]!, 50 + i));
    const leaves = values.map((value) => torch.detach(value).setRequiresGrad(true));
    const of = (indices: readonly number[], list: Tensors = leaves) => indices.map((i) => list[i]!);
    const recorded = recordForward(() => lossOf(one, leaves), { moving: of(moving), wanted: of(wanted) });
    const { tape, gradients } = recorded.gradients(recorded.loss, of(wanted));
    expect(gradients.map((gradient) => gradient.shape)).toEqual(of(wanted).map(({ shape }) => shape));
    const found = tape.gradientsAlong(u);
    const again = tape.gradientsAlong(u, true);
    tape.dispose();
    const epsilon = 1e-5;
    const at = (sign: number) => {
      const moved = values.map((value, i) => {
        const place = moving.indexOf(i);
        const next = place < 0 ? torch.clone(value) : torch.add(value, u[place]!, { alpha: sign * epsilon });
        return next.setRequiresGrad(true);
      });
      const loss = torch.enableGrad(() => lossOf(one, moved));
      return torch.grad([loss], of(wanted, moved), { allowUnused: true });
    };
    const [ahead, behind] = [at(1), at(-1)];
    for (const [i] of wanted.entries()) {
      const expected = ahead[i]
        ? torch.mulScalar(torch.sub(ahead[i]!, behind[i]!), 1 / (2 * epsilon))
        : torch.zerosLike(found[i]!);
      const largest = Math.max(...expected.toArray().map(Math.abs), 1e-3);
      for (const [k, value] of found[i]!.toArray().entries())
        expect(Math.abs(value - expected.toArray()[k]!) / largest, `input ${wanted[i]}, element ${k}`).toBeLessThan(
          2e-7,
        );
      expect(again[i]!.toArray()).toEqual(found[i]!.toArray());
    }
  });
}

const frozen = (shape: readonly number[], seed: number) => random(shape, seed);
const starts = (...numbers: number[]) => torch.tensor(numbers, [numbers.length], "int64");
const weight = () => frozen([5, 4], 70);
const bias = () => frozen([5], 71);

const rowNorm = (x: torch.Tensor, options: { readonly centered: boolean }) =>
  torch.rowNorm(torch.mul(x, x), frozen([6], 72), frozen([6], 73), 1e-5, options);

const LOW_RANK = [[3, 4], [2, 4], [5, 2], [5], [3, 4]] as const;

const lowRank: readonly Case[] = (
  [
    { name: "plain", apply: (x, a, b) => torch.lowRankLinear(x!, weight(), bias(), a!, b!, 0.7) },
    {
      name: "gain",
      apply: (x, a, b, c) =>
        torch.lowRankLinear(x!, weight(), bias(), a!, b!, 0.7, { gain: torch.addScalar(torch.square(c!), 0.5) }),
    },
    {
      name: "gain without bias",
      apply: (x, a, b, c) =>
        torch.lowRankLinear(x!, weight(), null, a!, b!, 0.7, { gain: torch.addScalar(torch.square(c!), 0.5) }),
    },
    {
      name: "small gain",
      apply: (x, a, b, c) =>
        torch.lowRankLinear(x!, weight(), bias(), a!, b!, 0.7, { gain: torch.mulScalar(c!, 0.01) }),
    },
    {
      name: "branch",
      apply: (x, a, b, _c, low) => torch.lowRankLinear(x!, weight(), bias(), a!, b!, 0.7, { branch: low! }),
    },
    {
      name: "branch and gain",
      apply: (x, a, b, c, low) =>
        torch.lowRankLinear(x!, weight(), bias(), a!, b!, 0.7, {
          branch: low!,
          gain: torch.addScalar(torch.square(c!), 0.5),
        }),
    },
  ] satisfies readonly Omit<Case, "shapes">[]
).map((one) => ({ ...one, shapes: LOW_RANK }));

/** What moves is A and B, and what is wanted the gain's, as in a search: with all that comes through x as well. */
const search: readonly Case[] = lowRank.flatMap((one) => [
  { ...one, name: `${one.name}, of a search`, moving: [1, 2], wanted: [0, 3] },
  { ...one, name: `${one.name}, x and the gain moving`, moving: [0, 3], wanted: [0, 3] },
  { ...one, name: `${one.name}, B moving`, moving: [2], wanted: [0, 1, 2, 3] },
]);

const BIASED = [[3, 4], [2, 4], [5, 2], [5], [5]] as const;

/** With a bias that is trained beside A and B. */
const biased: readonly Case[] = [0, 0.5].flatMap((least) => {
  const apply: Case["apply"] = (x, a, b, c, d) =>
    torch.lowRankLinear(x!, weight(), d!, a!, b!, 0.7, { gain: torch.addScalar(torch.square(c!), least) });
  const one = { name: `gain of ${least} or more`, shapes: BIASED, apply };
  return [
    { ...one, name: `${one.name}, a bias too` },
    { ...one, name: `${one.name}, a bias too, of a search`, moving: [1, 2, 4], wanted: [0, 3] },
    { ...one, name: `${one.name}, a bias alone moving`, moving: [4], wanted: [0, 3] },
    { ...one, name: `${one.name}, the gain alone moving`, moving: [3], wanted: [0, 3] },
  ];
});

const SQUARE = frozen([4, 4], 74);

/** What a layer does: an input used twice, a product with a low rank and a gain, and a constant that is computed. */
function part(x: torch.Tensor, a: torch.Tensor, b: torch.Tensor, c: torch.Tensor): torch.Tensor {
  const size = torch.noGrad(() => torch.sum(torch.square(SQUARE)));
  const gain = torch.addScalar(torch.square(torch.div(c, size)), 0.5);
  const y = torch.lowRankLinear(x, SQUARE, null, a, b, 0.7, { gain });
  return torch.add(torch.dropout(torch.fusedGelu(y), 0.3, 5, 1), torch.sin(x));
}

const attention = (options: object) => (q?: torch.Tensor, k?: torch.Tensor, v?: torch.Tensor) =>
  torch.attention(q!, k!, v!, starts(0, 3, 7), starts(0, 3, 7), 2, 2, 0.6, options);

const others: readonly Case[] = [
  { name: "torch's linear", shapes: [[3, 4], [5, 4], [5]], apply: (x, w, b) => torch.linear(x!, w!, b!) },
  { name: "linear", shapes: [[3, 4], [5, 4], [5]], apply: (x, w, b) => torch.fastLinear(x!, w!, b!) },
  {
    name: "linear of three dimensions",
    shapes: [
      [2, 3, 4],
      [5, 4],
    ],
    apply: (x, w) => torch.fastLinear(x!, w!),
  },
  {
    name: "linear, its bias moving",
    shapes: [[3, 4], [5, 4], [5]],
    apply: (x, w, b) => torch.fastLinear(x!, w!, b!),
    moving: [2],
  },
  {
    name: "attention",
    shapes: [
      [7, 6],
      [7, 6],
      [7, 6],
    ],
    apply: attention({}),
  },
  {
    name: "attention with dropout and a window",
    shapes: [
      [7, 6],
      [7, 6],
      [7, 6],
    ],
    apply: attention({ p: 0.3, seed: 5, stream: 2, before: 1, after: 0 }),
  },
  {
    name: "attention with a bias",
    shapes: [
      [7, 6],
      [7, 6],
      [7, 6],
    ],
    apply: (q, k, v) => attention({ bias: frozen([2, 4, 4], 81) })(q, k, v),
  },
  {
    name: "attention of values alone",
    shapes: [
      [7, 6],
      [7, 6],
      [7, 6],
    ],
    apply: attention({}),
    moving: [2],
    wanted: [0, 1],
  },
  {
    name: "attention with shared keys",
    shapes: [
      [7, 6],
      [7, 3],
      [7, 3],
    ],
    apply: (q, k, v) => torch.attention(q!, k!, v!, starts(0, 3, 7), starts(0, 3, 7), 2, 1, 0.6),
  },
  ...[true, false].flatMap((centered): Case[] => {
    const norm = (x?: torch.Tensor, r?: torch.Tensor, w = frozen([6], 72), b = centered ? frozen([6], 73) : null) =>
      torch.dropoutAddNorm(x!, r!, w, b, 1e-5, { centered, p: 0.25, seed: 3, stream: 1 });
    return [
      {
        name: `dropout-add-norm, centered ${centered}`,
        shapes: [
          [4, 6],
          [4, 6],
        ],
        apply: (x, r) => norm(x, r),
      },
      {
        name: `dropout-add-norm, centered ${centered}, of computed operands`,
        shapes: [
          [4, 6],
          [4, 6],
        ],
        apply: (x, r) => norm(torch.sin(x!), torch.mul(r!, r!)),
      },
      {
        name: `dropout-add-norm, centered ${centered}, trained`,
        shapes: [[4, 6], [4, 6], [6]],
        apply: (x, r, w) => norm(x, r, w),
      },
      {
        name: `dropout-add-norm, centered ${centered}, normed alone`,
        shapes: [
          [4, 6],
          [4, 6],
        ],
        apply: (x, r) => norm(x, r)[0]!,
      },
      {
        name: `dropout-add-norm, centered ${centered}, sum alone`,
        shapes: [
          [4, 6],
          [4, 6],
        ],
        apply: (x, r) => norm(x, r)[1]!,
      },
    ];
  }),
  ...["none", "tanh"].map(
    (approximate): Case => ({
      name: `gelu ${approximate}`,
      shapes: [[3, 7]],
      apply: (x) => torch.gelu(x!, { approximate }),
    }),
  ),
  ...["none", "tanh"].map(
    (approximate): Case => ({
      name: `fused gelu ${approximate}`,
      shapes: [[3, 7]],
      apply: (x) => torch.fusedGelu(x!, { approximate }),
    }),
  ),
  { name: "fused silu", shapes: [[3, 7]], apply: (x) => torch.fusedSilu(x!) },
  {
    name: "gated silu",
    shapes: [
      [3, 7],
      [3, 7],
    ],
    apply: (gate, up) => torch.siluMul(gate!, up!),
  },
  ...["none", "tanh"].map(
    (approximate): Case => ({
      name: `gated gelu ${approximate}`,
      shapes: [
        [3, 7],
        [3, 7],
      ],
      apply: (gate, up) => torch.geluMul(torch.mul(gate!, gate!), torch.sin(up!), { approximate }),
    }),
  ),
  {
    name: "gated silu, the factor alone moves",
    shapes: [
      [3, 7],
      [3, 7],
    ],
    moving: [1],
    apply: (gate, up) => torch.siluMul(gate!, up!),
  },
  ...[true, false].flatMap((centered): Case[] => [
    { name: `row norm, centered ${centered}`, shapes: [[2, 3, 6]], apply: (x) => rowNorm(x!, { centered }) },
    {
      name: `row norm, centered ${centered}, trained`,
      shapes: [[4, 6], [6], [6]],
      apply: (x, w, b) => torch.rowNorm(x!, w!, b!, 1e-5, { centered }),
    },
    {
      name: `row norm, centered ${centered}, whose weight alone moves`,
      shapes: [[4, 6], [6], [6]],
      moving: [1],
      apply: (x, w, b) => torch.rowNorm(x!, w!, b!, 1e-5, { centered }),
    },
  ]),
  ...[false, true].map(
    (transposed): Case => ({
      name: `rotary, transposed ${transposed}`,
      shapes: [[3, 10]],
      apply: (x) => torch.rotary(torch.mul(x!, x!), frozen([3, 4], 74), frozen([3, 4], 75), 2, { transposed }),
    }),
  ),
  { name: "dropout", shapes: [[3, 7]], apply: (x) => torch.dropout(x!, 0.4, 7, 1) },
  ...[1e-3, 1e9].map(
    (cancellation): Case => ({
      name: `direction norm, cancellation ${cancellation}`,
      shapes: [
        [2, 4],
        [5, 2],
      ],
      apply: (a, b) =>
        torch.directionNorm(weight(), torch.sumDim(torch.square(weight()), [1]), a!, b!, 0.7, cancellation, 1e-12),
    }),
  ),
  {
    name: "direction norm, A moving",
    shapes: [
      [2, 4],
      [5, 2],
    ],
    moving: [0],
    apply: (a, b) => torch.directionNorm(weight(), torch.sumDim(torch.square(weight()), [1]), a!, b!, 0.7, 1e-3, 1e-12),
  },
  ...[
    { name: "gain", cancellation: 1e-3, smallest: 1e-12, constantNorm: false },
    { name: "gain, cancellation", cancellation: 1e9, smallest: 1e-12, constantNorm: false },
    { name: "gain of a constant norm", cancellation: 1e-3, smallest: 1e-12, constantNorm: true },
  ].flatMap(({ name, cancellation, smallest, constantNorm }): Case[] => {
    const square = () => torch.sumDim(torch.square(weight()), [1]);
    const one: Case = {
      name,
      shapes: [[2, 4], [5, 2], [5]],
      apply: (a, b, m) =>
        torch.directionGain(weight(), square(), a!, b!, m!, 0.7, cancellation, smallest, { constantNorm }),
    };
    const all = constantNorm ? { ...one, moving: [2], wanted: [2] } : one;
    const zero = {
      ...one,
      apply: (a?: torch.Tensor, b?: torch.Tensor, m?: torch.Tensor) =>
        one.apply(a!, b!, torch.mul(m!, torch.tensor([0, 1, 1, 1, 1], [5], "float64"))),
    };
    return [
      all,
      { ...all, name: `${name}, of a search`, moving: constantNorm ? [2] : [0, 1], wanted: [2] },
      { ...all, name: `${name}, all moving`, moving: constantNorm ? [2] : [0, 1, 2], wanted: [2] },
      { ...zero, name: `${name}, a magnitude of zero`, moving: constantNorm ? [2] : [0, 1], wanted: [2] },
    ];
  }),
  { name: "div", shapes: [[5], [5]], apply: (m, n) => torch.div(m!, torch.addScalar(torch.square(n!), 1)) },
  {
    name: "div, of a search",
    shapes: [[5], [5]],
    moving: [1],
    wanted: [0],
    apply: (m, n) => torch.div(m!, torch.addScalar(torch.square(n!), 1)),
  },
  {
    name: "div of other shapes",
    shapes: [[3, 5], [5]],
    apply: (m, n) => torch.div(m!, torch.addScalar(torch.square(n!), 1)),
  },
  {
    name: "masked fill",
    shapes: [[5]],
    apply: (x) => torch.cumsum(torch.maskedFill(x!, torch.tensor([1, 0, 0, 1, 0], [5], "bool"), 2), 0),
  },
  {
    name: "pick, turn and join",
    shapes: [
      [4, 6],
      [2, 6],
    ],
    apply: (x, y) => torch.cat([torch.indexSelect(torch.reshape(torch.t(x!), [4, 6]), 0, starts(3, 1)), y!], 0),
  },
  {
    name: "sums with a factor",
    shapes: [[4, 6], [6]],
    apply: (x, y) => torch.add(torch.sub(x!, y!, { alpha: 2 }), y!, { alpha: 3 }),
  },
  { name: "generic", shapes: [[3, 5]], apply: (x) => torch.softmax(torch.mul(torch.tanh(x!), x!), 1) },
  { name: "cross-entropy", shapes: [[3, 5]], apply: (x) => torch.crossEntropyLoss(x!, starts(1, 4, 0), null, 2, -100) },
  ...[0, 1, 2].map(
    (chunk): Case => ({
      name: `linear cross-entropy, chunk ${chunk}`,
      shapes: [[3, 4]],
      apply: (x) => torch.linearCrossEntropy(torch.sin(x!), weight(), bias(), starts(1, 4, 0), { chunk })[0]!,
    }),
  ),
  {
    name: "linear cross-entropy of each row",
    shapes: [
      [3, 4],
      [3, 1],
    ],
    apply: (x, y) =>
      torch.mul(
        torch.linearCrossEntropy(torch.sin(x!), weight(), bias(), starts(1, 4, 0), { each: true })[0]!,
        torch.sin(torch.squeeze(y!, 1)),
      ),
  },
  {
    name: "linear cross-entropy without bias, of an input that does not move",
    shapes: [
      [3, 4],
      [3, 4],
    ],
    moving: [1],
    apply: (x, y) =>
      torch.mul(
        torch.linearCrossEntropy(x!, weight(), null, starts(1, 4, 0))[0]!,
        torch.linearCrossEntropy(y!, weight(), null, starts(1, 1, 0))[0]!,
      ),
  },
  ...[
    { name: "all moving" },
    { name: "of a search", moving: [1, 2], wanted: [0, 3] },
    { name: "x moving", moving: [0], wanted: [1, 3] },
    { name: "what is wanted moving", moving: [3], wanted: [3] },
  ].map(
    (one): Case => ({
      ...one,
      name: `a recomputed part, ${one.name}`,
      shapes: [[3, 4], [2, 4], [4, 2], [4]],
      apply: (x, a, b, c) =>
        torch.checkpoint(() =>
          part(
            torch.checkpoint(() => part(x!, a!, b!, c!)),
            a!,
            b!,
            c!,
          ),
        ),
    }),
  ),
  {
    name: "consecutive recomputed parts, the first with two results",
    shapes: [[3, 4], [2, 4], [4, 2], [4]],
    apply: (x, a, b, c) => {
      const [y, z] = torch.checkpoint(() => [part(x!, a!, b!, c!), torch.square(x!)] as const);
      return torch.checkpoint(() => torch.add(part(y, a!, b!, c!), torch.mul(z, y)));
    },
  },
  {
    name: "two results, one of which comes to the loss",
    shapes: [[3, 4]],
    apply: (x) => torch.checkpoint(() => [torch.square(x!), torch.mul(torch.sin(x!), x!)] as const)[1]!,
  },
  { name: "rectified", shapes: [[3, 5]], apply: (x) => torch.mul(torch.relu(x!), x!) },
  { name: "embedding", shapes: [[4, 5]], apply: (x) => torch.embedding(x!, starts(3, 1, 1), 0) },
  {
    name: "a loss that does not depend on what is wanted",
    shapes: [[3], [3]],
    apply: (x) => x!,
    wanted: [0, 1],
    moving: [1],
  },
];

describe("the derivative of gradients along a direction", () => {
  test.each([...lowRank, ...search, ...biased].map((one) => ({ ...one, name: `low rank: ${one.name}` })))(
    "$name",
    check,
  );
  test.each(others)("$name", check);
});

test("a gain with a constant norm does not move with A and B", () => {
  torch.scope(() => {
    const generator = new torch.Generator(5);
    const drawn = (...shape: number[]) =>
      torch.normal_(torch.empty(shape, { dtype: "float64" }), 0, 1, { generator }).setRequiresGrad(true);
    const [a, b, m] = [drawn(2, 4), drawn(5, 2), drawn(5)];
    const [w, squaredBase] = [weight(), torch.sumDim(torch.square(weight()), [1])];
    const along = (constantNorm: boolean, moving: Tensors) => {
      const gain = () => torch.directionGain(w, squaredBase, a, b, m, 0.7, 1e-3, 1e-12, { constantNorm });
      const recorded = recordForward(() => torch.sum(torch.square(gain())), { moving, wanted: [m] });
      const { tape } = recorded.gradients(recorded.loss, [m]);
      return tape.gradientsAlong(moving.map((tensor) => torch.onesLike(tensor)))[0]!.toArray();
    };
    expect(along(true, [a, b])).toEqual(new Array(5).fill(0));
    expect(along(false, [a, b])).not.toContain(0);
    expect(along(true, [a, b, m])).toEqual(along(true, [m]));
  });
});

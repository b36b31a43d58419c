// The loss of an output layer that never has all logits, against the one that has.

import { describe, expect, test } from "vitest";
import { doraConfig, inject, loraConfig } from "../../../src/models/adapters/index.js";
import {
  crossEntropy,
  EVALUATION,
  type ForwardContext,
  Linear,
  linearCrossEntropies,
  linearCrossEntropy,
  Module,
} from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { twiceDifferentiable } from "../../../src/torch/operators/choose.js";
import { recordForward } from "../../../src/torch/tangents/index.js";
import { isPlain } from "../../torch/operators/passes.js";

const ROWS = 70;
const [SIZE, VOCABULARY] = [6, 2 ** 17]; // so many tokens that 64 rows are a chunk

class Model extends Module {
  readonly head: Linear;
  constructor(vocabulary: number, dtype: torch.DType) {
    super();
    this.head = this.child("lm_head", new Linear(SIZE, vocabulary, { bias: false }));
    this.head.weight.fill(torch.keep(drawn([vocabulary, SIZE], 1, dtype)));
  }
}

function drawn(shape: readonly number[], seed: number, dtype: torch.DType): torch.Tensor {
  const generator = new torch.Generator(seed);
  return torch.to(torch.normal_(torch.empty(shape), 0, 1, { generator }), dtype);
}

function difference(a: torch.Tensor, b: torch.Tensor): number {
  const [one, other] = [a, b].map((tensor) => torch.to(torch.detach(tensor), "float64")) as [
    torch.Tensor,
    torch.Tensor,
  ];
  return torch.norm(torch.sub(one, other)).item() / torch.norm(other).item();
}

const TRAINING: ForwardContext = { masks: undefined };

/** libtorch's number for the reduction "none". */
const EACH = 0;

function plain(hidden: torch.Tensor, layer: Linear, targets: torch.Tensor, context: ForwardContext): torch.Tensor {
  const logits = layer.forward(hidden, context);
  return crossEntropy(logits.dtype === "float64" ? logits : torch.castTo(logits, "float32"), targets);
}

const CONFIGS = {
  none: undefined,
  lora: loraConfig({ rank: 2, targetModules: ["lm_head"] }),
  dora: doraConfig({ rank: 2, targetModules: ["lm_head"], normGradient: "full" }),
};

type Kind = keyof typeof CONFIGS | "trained";

function open(kind: Kind, vocabulary: number, dtype: torch.DType) {
  const model = new Model(vocabulary, dtype);
  const generator = new torch.Generator(2);
  const config = kind === "trained" ? undefined : CONFIGS[kind];
  const trained = config ? inject(model, config, { generator, dtype }).trained.map(({ tensor }) => tensor) : [];
  torch.noGrad(() => {
    for (const [i, tensor] of trained.entries()) torch.add_(tensor, drawn(tensor.shape, 20 + i, dtype), { alpha: 0.1 });
  });
  if (kind === "trained") trained.push(model.head.weight.tensor.setRequiresGrad(true));
  const hidden = drawn([ROWS, SIZE], 3, dtype).setRequiresGrad(true);
  const targets = torch.tensor(
    Array.from({ length: ROWS }, (_, i) => (i * 7919) % vocabulary),
    [ROWS],
    "int64",
  );
  return { layer: model.head, trained, hidden, targets };
}

/** The same numbers in float64. */
function precise(kind: Kind, vocabulary: number, given: readonly torch.Tensor[]) {
  const opened = open(kind, vocabulary, "float64");
  torch.noGrad(() => {
    for (const [i, tensor] of given.entries()) torch.copy_(opened.trained[i]!, tensor);
  });
  return opened;
}

describe.each(["none", "lora", "dora", "trained"] as const)("an output layer: %s", (kind) => {
  test.each([33, VOCABULARY])("with a vocabulary of %i: the loss and its gradients", (vocabulary) => {
    torch.scope(() => {
      const { layer, trained, hidden, targets } = open(kind, vocabulary, "float32");
      const loss = linearCrossEntropy(hidden, layer, targets, TRAINING);
      const other = precise(kind, vocabulary, trained);
      const expected = plain(other.hidden, other.layer, targets, TRAINING);
      expect(difference(loss, expected)).toBeLessThan(1e-6);
      const found = torch.grad([loss], [hidden, ...trained]);
      const wanted = torch.grad([expected], [other.hidden, ...other.trained]);
      // The formula, which a layer with an adapter has, sums over the vocabulary in one go.
      const tolerance = (layer.adapter || isPlain) && vocabulary > 1000 ? 2e-4 : 1e-6;
      for (const [i, gradient] of found.entries())
        expect(difference(gradient!, wanted[i]!), `${i}`).toBeLessThan(tolerance);
      const without = torch.noGrad(() => linearCrossEntropy(hidden, layer, targets, EVALUATION));
      expect(difference(without, expected)).toBeLessThan(1e-6);
    });
  });

  test("second derivatives along a tape are those of the plain formula", () => {
    const { layer, trained, hidden, targets } = open(kind, 33, "float64");
    const moving = [hidden, ...trained];
    const u = moving.map((tensor, i) => drawn(tensor.shape, 30 + i, "float64"));
    const gradients = torch.grad([twiceDifferentiable(() => plain(hidden, layer, targets, TRAINING))], moving, {
      createGraph: true,
    });
    const expected = torch.grad(gradients as torch.Tensor[], moving, { gradOutputs: u });
    const recorded = recordForward(() => linearCrossEntropy(hidden, layer, targets, TRAINING), {
      moving,
      wanted: moving,
    });
    const { tape } = recorded.gradients(recorded.loss, moving);
    const along = () => tape.gradientsAlong(u);
    if (kind === "trained" && !isPlain) expect(along).toThrow("bidora::linear_cross_entropy has neither a tangent nor");
    else
      for (const [i, change] of along().entries()) expect(difference(change, expected[i]!), `${i}`).toBeLessThan(1e-9);
    tape.dispose();
  });

  test("each token's loss: values, gradients, and second derivatives along a tape", () => {
    const { layer, trained, hidden, targets } = open(kind, 33, "float64");
    const moving = kind === "trained" ? [hidden] : [hidden, ...trained];
    const weights = drawn([ROWS], 40, "float64");
    const weighted = (losses: torch.Tensor) => torch.sum(torch.mul(losses, weights));
    const own = () => linearCrossEntropies(hidden, layer, targets, TRAINING);
    const formula = () => torch.crossEntropyLoss(layer.forward(hidden, TRAINING), targets, null, EACH);
    expect(own().shape).toEqual([ROWS]);
    expect(difference(own(), formula())).toBeLessThan(1e-12);
    const all = [hidden, ...trained];
    const [found, wanted] = [own, formula].map((losses) => torch.grad([weighted(losses())], all));
    for (const [i, gradient] of found!.entries()) expect(difference(gradient!, wanted![i]!)).toBeLessThan(1e-12);

    const u = moving.map((tensor, i) => drawn(tensor.shape, 30 + i, "float64"));
    const first = torch.grad([twiceDifferentiable(() => weighted(formula()))], moving, { createGraph: true });
    const expected = torch.grad(first as torch.Tensor[], moving, { gradOutputs: u });
    const recorded = recordForward(() => weighted(own()), { moving, wanted: moving });
    const { tape } = recorded.gradients(recorded.loss, moving);
    for (const [i, change] of tape.gradientsAlong(u).entries())
      expect(difference(change, expected[i]!), `${i}`).toBeLessThan(1e-9);
    tape.dispose();
  });

  test("no rows: the loss is 0", () => {
    const { layer, hidden } = open(kind, 33, "float32");
    const none = torch.narrow(hidden, 0, 0, 0);
    const loss = linearCrossEntropy(none, layer, torch.tensor([], [0], "int64"), TRAINING);
    expect(loss.item()).toBe(0);
    const [gradient] = torch.grad([loss], [hidden]);
    expect(gradient!.toArray().every((value) => value === 0)).toBe(true);
  });
});

test("a loss that is differentiated twice uses the formula", () => {
  const { layer, hidden, targets } = open("none", 33, "float64");
  const loss = twiceDifferentiable(() => linearCrossEntropy(hidden, layer, targets, TRAINING));
  const [gradient] = torch.grad([loss], [hidden], { createGraph: true });
  expect(torch.grad([torch.sum(gradient!)], [hidden])[0]!.shape).toEqual([ROWS, SIZE]);
});

test.skipIf(isPlain)("a trained matrix has no derivatives along a tape, whether or not it moves itself", () => {
  const { layer, hidden, targets } = open("trained", 33, "float64");
  const weight = layer.weight.tensor;
  for (const [moving, wanted] of [
    [hidden, weight],
    [weight, hidden],
  ] as const) {
    const loss = () => linearCrossEntropy(hidden, layer, targets, TRAINING);
    const recorded = recordForward(loss, { moving: [moving], wanted: [wanted] });
    const { tape } = recorded.gradients(recorded.loss, [wanted]);
    expect(() => tape.gradientsAlong([torch.onesLike(moving)])).toThrow("linear_cross_entropy has neither");
    tape.dispose();
  }
});

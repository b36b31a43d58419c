import { describe, expect, test } from "vitest";
import { EVALUATION, Linear, type LinearAdapter, Module, projectTogether } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { expectSameBits } from "../../torch/sameBits.js";

const drawn = (shape: readonly number[], seed: number) =>
  torch.normal_(torch.empty(shape), 0, 1, { generator: new torch.Generator(seed) });

function layersOf(...biased: readonly boolean[]): Linear[] {
  return biased.map((bias, i) => {
    const layer = new Linear(6, 4 + 2 * i, { bias });
    layer.weight.fill(drawn([4 + 2 * i, 6], i));
    layer.bias?.fill(drawn([4 + 2 * i], 10 + i));
    return layer;
  });
}

/** Twice the layer's product. */
class Doubled extends Module implements LinearAdapter {
  forward(x: torch.Tensor, layer: Linear): torch.Tensor {
    return torch.mulScalar(layer.base(x), 2);
  }
}

describe("layers with one input", () => {
  test.each([[[false, false]], [[true, true]], [[true, false, true]], [[true]]])(
    "biases %j: the same as each layer alone",
    (biased) => {
      torch.scope(() => {
        const layers = layersOf(...biased);
        for (const n of [1, 5, 40]) {
          const x = drawn([n, 6], 20);
          const found = torch.noGrad(() => projectTogether(layers, x, EVALUATION));
          for (const [i, layer] of layers.entries()) expectSameBits(found[i]!, layer.forward(x, EVALUATION));
        }
      });
    },
  );

  test("an adapter is applied", () => {
    torch.scope(() => {
      const layers = layersOf(false, false);
      const x = drawn([2, 6], 20);
      layers[1]!.setAdapter(new Doubled());
      const [plain, doubled] = projectTogether(layers, x, EVALUATION);
      expectSameBits(plain!, layers[0]!.base(x));
      expectSameBits(doubled!, torch.mulScalar(layers[1]!.base(x), 2));
    });
  });

  test.each(["input", "weight", "bias"] as const)("a gradient flows to the %s", (which) => {
    torch.scope(() => {
      const layers = layersOf(true, true);
      const x = drawn([2, 6], 20);
      const leaf = { input: x, weight: layers[1]!.weight.tensor, bias: layers[1]!.bias!.tensor }[which];
      leaf.setRequiresGrad(true);
      const sums = projectTogether(layers, x, EVALUATION).map((y) => torch.sum(torch.square(y)));
      const [gradient] = torch.grad([torch.add(sums[0]!, sums[1]!)], [leaf]);
      expect(gradient!.shape).toEqual(leaf.shape);
      expect(torch.max(torch.abs(gradient!)).item()).toBeGreaterThan(0);
    });
  });
});

import { expect, test } from "vitest";
import {
  Adapter,
  inject,
  type Layer,
  type LayerPart,
  merge,
  TARGET_DEFAULTS,
  type TargetedConfig,
  targetSlots,
} from "../../../src/models/adapters/index.js";
import { EVALUATION, type Linear, type Parameter } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { expectClose } from "../../parity/goldenFiles.js";
import { IDS, perturb, SmallModel } from "./smallModel.js";

/** y = W0·(l ⊙ x) + b, a scaled input. */
class ScaledInput extends Adapter {
  readonly rank = 1;
  readonly dtype = "float64";

  constructor(readonly scale: Parameter) {
    super();
  }

  forward(x: torch.Tensor, layer: Linear): torch.Tensor {
    return layer.base(torch.mul(x, this.scale.tensor));
  }

  mergedWeight(layer: Layer): torch.Tensor {
    return torch.mul(layer.weight.tensor, this.scale.tensor);
  }
}

const layers: LayerPart<TargetedConfig> = {
  findSlots: targetSlots,
  tensors: (slot) => [{ name: "l", shape: [slot.in], start: ({ dtype }) => torch.ones([slot.in], { dtype }) }],
  build: (_slot, _config, parameters) => new ScaledInput(parameters.get("l") as Parameter),
  facts: () => ({}),
};

test("a custom method is added to layers, trained and merged like a built-in one", () => {
  const model = new SmallModel();
  const plain = model.forward(IDS, EVALUATION);
  const config = { ...TARGET_DEFAULTS, method: "scaled", targetModules: ["query", "value"] };
  const adapted = inject(model, config, { generator: new torch.Generator(0), dtype: "float64", layers });
  expect(adapted.trained.map(({ name }) => name).slice(0, 2)).toEqual([
    "encoder.layer.0.query.l",
    "encoder.layer.0.value.l",
  ]);
  expectClose(model.forward(IDS, EVALUATION), plain, 1e-15);

  torch.backward(torch.sum(model.forward(IDS, EVALUATION)));
  for (const { tensor } of adapted.trained)
    expect(torch.linalgVectorNorm(tensor.grad as torch.Tensor).item()).toBeGreaterThan(0);

  perturb(adapted.trained.map(({ tensor }) => tensor));
  const moved = model.forward(IDS, EVALUATION);
  merge(adapted);
  expectClose(model.forward(IDS, EVALUATION), moved, 1e-12);
});

// A custom adapter method, which scales the inputs of linear layers: node build/examples/ownMethod.js [MODEL]
import {
  Adapter,
  inject,
  type Layer,
  type LayerPart,
  loadModel,
  mergedParameters,
  modelInput,
  nn,
  resolveModel,
  savedTensors,
  sequenceClassification,
  TARGET_DEFAULTS,
  type TargetedConfig,
  targetSlots,
  torch,
} from "bidora";

/** Scales the input of a linear layer: y = W0·(l ⊙ x) + b. l: [in] */
class ScaledInput extends Adapter {
  constructor(readonly scale: nn.Parameter) {
    super();
  }

  get rank(): number {
    return this.scale.tensor.numel;
  }

  get dtype(): torch.DType {
    return this.scale.tensor.dtype;
  }

  forward(x: torch.Tensor, layer: nn.Linear): torch.Tensor {
    return layer.base(torch.mul(x, this.scale.tensor));
  }

  mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    return torch.mul(torch.castTo(layer.weight.tensor, dtype), torch.castTo(this.scale.tensor, dtype)); // [out, in] ⊙ [in]
  }
}

/** Each layer gets one vector, initialized to ones, which leaves the model's outputs unchanged. */
const layers: LayerPart<TargetedConfig> = {
  findSlots: targetSlots,
  tensors: (slot) => [
    { name: "input_scale", shape: [slot.in], start: ({ dtype }) => torch.ones([slot.in], { dtype }) },
  ],
  build: (_slot, _config, parameters) => new ScaledInput(parameters.get("input_scale") as nn.Parameter),
  facts: () => ({}),
};

const [name = "sentence-transformers/all-MiniLM-L6-v2"] = process.argv.slice(2);
const generator = new torch.Generator(0);
const { head } = sequenceClassification;
const { model } = await loadModel(await resolveModel(name), { head, outputs: 2, dtype: "float32", generator });

const config = { ...TARGET_DEFAULTS, method: "input-scale", targetModules: ["output.dense"] };
const adapted = inject(model, config, { generator, layers });
const vectors = adapted.trained.map(({ tensor }) => tensor);
console.log(`${vectors.length} vectors, such as ${[...savedTensors(adapted).keys()][0]}`);

const input = modelInput([{ inputIds: [2, 5, 6, 3], tokenTypeIds: [0, 0, 0, 0] }]);
const label = torch.tensor([1], [1], "int64");
for (let step = 1; step <= 3; step++) {
  const loss = nn.crossEntropy(model.forward(input, nn.EVALUATION), label);
  torch.backward(loss);
  console.log(`step ${step}: loss ${loss.item().toFixed(4)}`);
  torch.noGrad(() => {
    for (const vector of vectors) torch.add_(vector, vector.grad as torch.Tensor, { alpha: -0.1 });
  });
  for (const vector of vectors) vector.setGrad(undefined);
}
const [path, weight] = [...mergedParameters(adapted)][0] ?? [];
console.log(`Merged, ${path} is again a plain weight of shape [${weight?.().shape}].`);

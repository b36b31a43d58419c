// A custom adapter method, SSF (arXiv 2210.08823): node build/examples/ownMethod.js [MODEL]
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

/** Scales and shifts the output of a linear layer: y = γ ⊙ (x·W0ᵀ + b) + β. γ, β: [out] */
class ScaledAndShifted extends Adapter {
  constructor(
    readonly scale: nn.Parameter,
    readonly shift: nn.Parameter,
  ) {
    super();
  }

  get rank(): number {
    return this.scale.tensor.numel;
  }

  get dtype(): torch.DType {
    return this.scale.tensor.dtype;
  }

  forward(x: torch.Tensor, layer: nn.Linear): torch.Tensor {
    return torch.addcmul(this.shift.tensor, layer.base(x), this.scale.tensor);
  }

  override whyNotMerged(layer: Layer): string | undefined {
    return layer.ownParameters.has("bias") ? undefined : "has no bias that the shift could be merged into";
  }

  mergedWeight(layer: Layer, dtype: torch.DType): torch.Tensor {
    const scale = torch.unsqueeze(torch.castTo(this.scale.tensor, dtype), 1);
    return torch.mul(layer.weight.values.dense(dtype), scale); // [out, in] ⊙ [out, 1]
  }

  /** γ ⊙ b + β − b */
  override biasUpdate(layer: Layer, dtype: torch.DType): torch.Tensor | undefined {
    const bias = layer.ownParameters.get("bias");
    if (!bias) return undefined;
    const [b, scale, shift] = [bias, this.scale, this.shift].map(({ tensor }) => torch.castTo(tensor, dtype));
    return torch.sub(torch.addcmul(shift!, b!, scale!), b!);
  }
}

/** Each layer gets a scale of ones and a shift of zeros, which leave the model's outputs unchanged. */
const layers: LayerPart<TargetedConfig> = {
  findSlots: targetSlots,
  tensors: ({ out }) => [
    { name: "ssf_scale", shape: [out], start: ({ dtype }) => torch.ones([out], { dtype }) },
    { name: "ssf_shift", shape: [out], start: ({ dtype }) => torch.zeros([out], { dtype }) },
  ],
  build: (_slot, _config, parameters) =>
    new ScaledAndShifted(parameters.get("ssf_scale") as nn.Parameter, parameters.get("ssf_shift") as nn.Parameter),
  facts: () => ({}),
};

const [name = "sentence-transformers/all-MiniLM-L6-v2"] = process.argv.slice(2);
const generator = new torch.Generator(0);
const { head } = sequenceClassification;
const { model } = await loadModel(await resolveModel(name), { head, outputs: 2, dtype: "float32", generator });

const config = { ...TARGET_DEFAULTS, method: "ssf", targetModules: ["output.dense"] };
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
const merged = [...mergedParameters(adapted)].map(([path, value]) => `${path} [${value().shape}]`);
console.log(`Merged, ${merged.slice(0, 2).join(" and ")} are plain parameters again.`);

// A custom training loop: forward pass, gradients and optimizer step: node build/examples/ownStep.js [MODEL]
import {
  inject,
  loadModel,
  loadTokenizer,
  loraConfig,
  modelInput,
  nn,
  optim,
  resolveModel,
  sequenceClassification,
  torch,
} from "bidora";

const [model = "sentence-transformers/all-MiniLM-L6-v2"] = process.argv.slice(2);
const texts = ["good food, and quick", "cold soup and a long wait", "we come every week", "never again"];
const stars = torch.tensor([1, 0, 1, 0], [4], "int64");

const folder = await resolveModel(model);
const generator = new torch.Generator(0);
const loaded = await loadModel(folder, { head: sequenceClassification.head, outputs: 2, dtype: "float32", generator });
const config = loraConfig({ rank: 4, modulesToSave: loaded.trainedModules });
const { trained } = inject(loaded.model, config, { generator });

const tokenizer = await loadTokenizer(folder);
const encoded = await tokenizer.encodeBatch(texts.map((text) => [text] as const));
const input = modelInput(encoded);

const { adamw } = optim;
const options = { adamBeta1: 0.9, adamBeta2: 0.999, adamEpsilon: 1e-8 };
const tensors = trained.map(({ tensor }) => tensor);
const parameters = tensors.map((tensor) => ({ tensor, weightDecay: 0 }));
const state = optim.initState(adamw, tensors, options);

for (let step = 1; step <= 5; step++) {
  // The scope releases each step's tensors at its end. The trained tensors were created outside, so they stay.
  const loss = torch.scope(() => {
    const context = { masks: new nn.SeededMasks(step) };
    const mean = torch.divScalar(nn.crossEntropy(loaded.model.forward(input, context), stars), texts.length);
    const gradients = torch.grad([mean], tensors).map((gradient) => gradient as torch.Tensor);
    adamw.update(parameters, gradients, state, 1e-2, options);
    return mean.item();
  });
  console.log(`step ${step}: loss ${loss.toFixed(4)}`);
}

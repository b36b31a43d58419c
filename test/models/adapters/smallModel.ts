import { Embedding, type ForwardContext, LayerNorm, Linear, Module, ModuleList } from "../../../src/models/nn/index.js";
import * as torch from "../../../src/torch/index.js";

export const EVALUATION_WITH_GRADIENT: ForwardContext = { masks: undefined };

class Block extends Module {
  readonly query = this.child("query", new Linear(6, 5));
  readonly value = this.child("value", new Linear(5, 6, { bias: false }));
}

/** An embedding, two blocks of two layers that are not square, a norm, and a head; every parameter is drawn. */
export class SmallModel extends Module {
  readonly words = this.child("words", new Embedding(11, 6));
  readonly layers = this.child("encoder.layer", new ModuleList([new Block(), new Block()]));
  readonly norm = this.child("norm", new LayerNorm(6, 1e-5));
  readonly preClassifier = this.child("pre_classifier", new Linear(6, 6));
  readonly classifier = this.child("classifier", new Linear(6, 3));

  constructor(dtype: torch.DType = "float64", seed = 1) {
    super();
    const generator = new torch.Generator(seed);
    for (const [, parameter] of this.namedParameters()) {
      const drawn = torch.normal_(torch.empty(parameter.shape, { dtype: "float64" }), 0, 0.5, { generator });
      parameter.fill(torch.keep(torch.to(drawn, dtype)));
    }
  }

  forward(ids: torch.Tensor, context: ForwardContext): torch.Tensor {
    let x = this.words.forward(ids, context);
    for (const { query, value } of this.layers) {
      x = torch.add(x, value.forward(torch.tanh(query.forward(x, context)), context));
    }
    const features = this.preClassifier.forward(this.norm.forward(x), context);
    return this.classifier.forward(torch.to(features, this.classifier.weight.tensor.dtype), context);
  }
}

export const IDS = torch.keep(torch.tensor(Int32Array.from([3, 1, 10, 0, 7])));

/** Moves every trained tensor, as training would. */
export function perturb(tensors: Iterable<torch.Tensor>, seed = 7): void {
  const generator = new torch.Generator(seed);
  torch.noGrad(() =>
    torch.scope(() => {
      for (const tensor of tensors) {
        const noise = torch.normal_(torch.empty(tensor.shape, { dtype: tensor.dtype }), 0, 0.3, { generator });
        torch.add_(tensor, noise);
      }
    }),
  );
}

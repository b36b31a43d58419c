// Shapes: N tokens of all rows, H hidden size.
import type { ForwardContext } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import { Backbone } from "./backbone.js";
import type { Embeddings } from "./embeddings.js";
import type { ModelInput } from "./input.js";
import type { LayerStack } from "./layerStack.js";

/** Embeddings and a stack of layers, as encoders have them. */
export class EncoderModel extends Backbone {
  constructor(
    private readonly embeddings: Embeddings,
    private readonly stack: LayerStack,
    /** The stack's own path. */
    name = "encoder.layer",
  ) {
    super();
    this.child("embeddings", embeddings);
    this.child(name, stack);
  }

  forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    return this.stack.forward(this.embed(input, context), input.layout, context, only);
  }

  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    return this.stack.states(this.embed(input, context), input.layout, context);
  }

  /** What the first layer gets: [N, H]. */
  protected embed(input: ModelInput, context: ForwardContext): torch.Tensor {
    return this.embeddings.forward(input, context);
  }
}

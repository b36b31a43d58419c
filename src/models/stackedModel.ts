// Shapes: N tokens of all rows, H hidden size.
import type { ForwardContext, Norm } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import { Backbone } from "./backbone.js";
import type { ModelInput } from "./input.js";
import type { LayerStack } from "./layerStack.js";

/** Embeddings, a stack of layers that are told of their tokens by `Rows`, and perhaps a norm after the last one. */
export abstract class StackedModel<Rows> extends Backbone {
  constructor(
    private readonly stack: LayerStack<Rows>,
    private readonly finalNorm?: Norm,
  ) {
    super();
  }

  forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const embedded = this.embed(input, context);
    const hidden = this.stack.forward(embedded, this.rowsOf(input, context, embedded.dtype), context, only);
    input.cache?.advance(input.layout);
    return this.finish(hidden);
  }

  /** As transformers lists them: where there is a norm after the last one, that one is normalised. */
  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    const embedded = this.embed(input, context);
    const states = this.stack.states(embedded, this.rowsOf(input, context, embedded.dtype), context);
    return [...states.slice(0, -1), this.finish(states.at(-1) as torch.Tensor)];
  }

  /** What the first layer gets: [N, H]. */
  protected abstract embed(input: ModelInput, context: ForwardContext): torch.Tensor;

  /** What all layers are told. @param dtype of what they compute in */
  protected abstract rowsOf(input: ModelInput, context: ForwardContext, dtype: torch.DType): Rows;

  private finish(hidden: torch.Tensor): torch.Tensor {
    return this.finalNorm ? this.finalNorm.forward(hidden) : hidden;
  }
}

// Shapes: N tokens of all rows, H hidden size.
import type { ForwardContext, RowLayout } from "../nn/index.js";
import type * as torch from "../torch/index.js";
import type { Embeddings } from "./embeddings.js";
import type { ModelInput } from "./input.js";
import type { LayerStack } from "./layerStack.js";
import { StackedModel } from "./stackedModel.js";

/** Embeddings and a stack of layers, as BERT and its kin have them. */
export class EncoderModel extends StackedModel<RowLayout> {
  constructor(
    private readonly embeddings: Embeddings,
    stack: LayerStack,
    /** The stack's own path. */
    name = "encoder.layer",
  ) {
    super(stack);
    this.child("embeddings", embeddings);
    this.child(name, stack);
  }

  protected embed(input: ModelInput, context: ForwardContext): torch.Tensor {
    return this.embeddings.forward(input, context);
  }

  protected rowsOf({ layout }: ModelInput): RowLayout {
    return layout;
  }
}

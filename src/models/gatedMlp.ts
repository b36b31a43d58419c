// Shapes: N tokens of all rows, H hidden size.
import {
  type ForwardContext,
  type GatedActivation,
  gatedActivation,
  Linear,
  Module,
  partsOf,
  projectTogether,
} from "../nn/index.js";
import type * as torch from "../torch/index.js";
import type { DecoderConfig } from "./decoderConfig.js";

/** down(activation(gate(x))·up(x)) */
export class GatedMlp extends Module {
  /** Gate and up; or one for both. */
  private readonly projections: readonly Linear[];
  private readonly down: Linear;
  private readonly activation: GatedActivation;

  constructor({ hiddenSize, intermediateSize, mlpBias: bias, activation, fusesProjections }: DecoderConfig) {
    super();
    const projection = (name: string, width: number) => this.child(name, new Linear(hiddenSize, width, { bias }));
    this.projections = fusesProjections
      ? [projection("gate_up_proj", 2 * intermediateSize)]
      : [projection("gate_proj", intermediateSize), projection("up_proj", intermediateSize)];
    this.down = this.child("down_proj", new Linear(intermediateSize, hiddenSize, { bias }));
    this.activation = gatedActivation(activation);
  }

  /** x: N,H → N,H */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const products = projectTogether(this.projections, x, context);
    const width = this.down.inFeatures;
    const parts = products.length === 1 ? partsOf(products[0] as torch.Tensor, [width, width]) : products;
    const [gate, up] = parts as [torch.Tensor, torch.Tensor];
    return this.down.forward(this.activation(gate, up), context);
  }
}

// Shapes: N tokens of all rows, K tokens kept, H hidden size.
import { type ForwardContext, Module, ModuleList, type RowLayout } from "../nn/index.js";
import * as torch from "../torch/index.js";

/** One layer of a stack. `Rows` is what it is told of the tokens: how they make up rows, and what else it needs to know of them. */
export abstract class StackLayer<Rows = RowLayout> extends Module {
  /** x: N,H → N,H, or K,H for the tokens in `only` */
  abstract forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor;
}

/** Layers of one kind, one upon the other. */
export class LayerStack<Rows = RowLayout> extends ModuleList<StackLayer<Rows>> {
  /**
   * Each layer has a memory scope of its own: what its gradient does not need is released as soon as it is through.
   * @param x [N, H] embeddings
   * @param only [K] flat indices of the tokens whose result is wanted: past the last attention nothing else is computed
   * @returns [N, H], or [K, H] with `only`
   */
  forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const last = this.items.at(-1);
    let hidden = x;
    for (const layer of this.items) {
      const input = hidden;
      const forward = () => layer.forward(input, rows, context, layer === last ? only : undefined);
      hidden = torch.scope(() => (isCheckpointed(context) ? torch.checkpoint(forward) : forward()));
      if (input !== x && input !== hidden) input.dispose(); // what a gradient needs of it, the graph holds
    }
    return hidden;
  }

  /** `x` and each layer's output. */
  states(x: torch.Tensor, rows: Rows, context: ForwardContext): torch.Tensor[] {
    const states = [x];
    for (const layer of this.items) states.push(layer.forward(states.at(-1) as torch.Tensor, rows, context, undefined));
    return states;
  }
}

/** Not where second derivatives come from recorded backward passes. */
function isCheckpointed({ gradientCheckpointing = false, differentiateTwice }: ForwardContext): boolean {
  return gradientCheckpointing && !differentiateTwice;
}

/** The tokens of a layer that are gone on with. x: N,H → K,H */
export function pick(x: torch.Tensor, indices: torch.Tensor | undefined): torch.Tensor {
  return indices ? torch.indexSelect(x, 0, indices) : x;
}

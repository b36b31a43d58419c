// From the states of a text's tokens to one vector.
// Shapes: N tokens of all texts, B texts, H hidden size.
import type { Pooling } from "../formats/index.js";
import * as torch from "../torch/index.js";
import type { ModelInput } from "./backbone.js";
import { rowMeans, toHeadDtype } from "./heads.js";
import type { ForwardContext } from "./nn/index.js";
import type { TaskModel } from "./taskModel.js";

/**
 * The pooled states of each text: [B, H] float32 (float64 in a float64 model).
 * @param skipped of each text, the tokens at its start that do not count; a text of nothing else counts whole
 */
export function pooled(
  model: TaskModel,
  input: ModelInput,
  context: ForwardContext,
  { pooling, skipped }: { readonly pooling: Pooling; readonly skipped: readonly number[] },
): torch.Tensor {
  const only = pooling === "mean" ? undefined : tokensRead(input, pooling, skipped);
  const states = toHeadDtype(model.backbone.forward(input, context, only));
  return pooling === "mean" ? rowMeans(states, input.layout, skipped) : states;
}

/** [B] int64: the flat index of the token whose state is the text's. */
function tokensRead(
  { layout: { lengths }, inputIds }: ModelInput,
  pooling: Exclude<Pooling, "mean">,
  skipped: readonly number[],
): torch.Tensor {
  let end = 0;
  const indices = lengths.map((length, text) => {
    end += length;
    const first = skipped[text] as number;
    return pooling === "last" ? end - 1 : end - length + (first < length ? first : 0);
  });
  return torch.tensor(indices, [indices.length], "int64", inputIds.device);
}

import * as torch from "../index.js";
import { STATE_BLOCK, adamw8bit as stepIn8bit } from "../operators/adamw8bit.js";
import { type AdamWNumbers, adamw as stepInFloat } from "../operators/optimizerStep.js";
import { type AdamWOptions, adamwNumbers } from "./adamw.js";
import { indicesByDecay, type OptimizedForm, type Optimizer, picked, type ShapeAndDtype } from "./optimizer.js";

/** The state of tensors with fewer elements is in floating point: bitsandbytes' `min_8bit_size`. */
const MIN_8BIT_SIZE = 4096;

/**
 * AdamW with its running means in 8 bits, as bitsandbytes' `AdamW8bit` (arXiv 2110.02861), under its names. A step decodes the means, is AdamW's
 * own, and stores the new means. As in transformers' Trainer, embedding tables have a state in floating point, which is AdamW's. There is no
 * derivative: the step depends on means that are not kept.
 */
export const adamw8bit: Optimizer<AdamWOptions> = {
  uses: ["adamBeta1", "adamBeta2", "adamEpsilon"],
  stateForms: formsOf,
  update(parameters, gradients, state, learningRate, options) {
    state.steps += 1;
    for (const [weightDecay, chosen] of indicesByDecay(parameters)) {
      const numbers = adamwNumbers(learningRate, options, weightDecay);
      const isIn8bit = (i: number) => state.memories[i]?.absmax1 !== undefined;
      const few = chosen.filter(isIn8bit);
      const float = chosen.filter((i) => !isIn8bit(i));
      if (few.length > 0) stepFew(picked(few, parameters, gradients, state), state.steps, numbers);
      if (float.length > 0) stepFloat(picked(float, parameters, gradients, state), state.steps, numbers);
    }
  },
};

type Picked = ReturnType<typeof picked>;

function formsOf({ shape, dtype, isEmbedding = false }: OptimizedForm): Readonly<Record<string, ShapeAndDtype>> {
  const numel = torch.numelOf(shape);
  if (isEmbedding || numel < MIN_8BIT_SIZE) {
    const wide = { shape, dtype: torch.wideDtype(dtype) };
    return { state1: wide, state2: wide };
  }
  const codes = { shape, dtype: "uint8" } as const;
  const scales = { shape: [Math.ceil(numel / STATE_BLOCK)], dtype: "float32" } as const;
  return { state1: codes, state2: codes, absmax1: scales, absmax2: scales };
}

function stepFew({ memory, ...own }: Picked, step: number, numbers: AdamWNumbers): void {
  const means = { codes: memory("state1"), scales: memory("absmax1") };
  const meanSquares = { codes: memory("state2"), scales: memory("absmax2") };
  stepIn8bit({ ...own, means, meanSquares }, step, numbers);
}

/** Half-precision parameters are updated in float32, and rounded once. */
function stepFloat({ parameters, gradients, memory }: Picked, step: number, numbers: AdamWNumbers): void {
  const wide = (tensor: torch.Tensor) => torch.castTo(tensor, torch.wideDtype(tensor.dtype));
  torch.noGrad(() =>
    torch.scope(() => {
      const stepped = parameters.map(wide);
      const tensors = { parameters: stepped, gradients: gradients.map(wide) };
      stepInFloat({ ...tensors, means: memory("state1"), meanSquares: memory("state2") }, step, numbers);
      for (const [i, tensor] of parameters.entries()) if (stepped[i] !== tensor) torch.copy_(tensor, stepped[i]!);
    }),
  );
}

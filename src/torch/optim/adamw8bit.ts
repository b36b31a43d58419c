import * as torch from "../index.js";
import { STATE_BLOCK, adamw8bit as stepIn8bit } from "../operators/adamw8bit.js";
import { type AdamWNumbers, adamw as stepInFloat } from "../operators/optimizerStep.js";
import { type AdamWOptions, adamwNumbers } from "./adamw.js";
import {
  decayIndices,
  type Optimized,
  type OptimizedForm,
  type Optimizer,
  type OptimizerState,
  type ShapeAndDtype,
  stateTensors,
} from "./optimizer.js";

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
    for (const decays of [true, false]) {
      const numbers = adamwNumbers(learningRate, options, decays);
      const chosen = decayIndices(parameters, decays);
      const isIn8bit = (i: number) => state.memories[i]?.absmax1 !== undefined;
      const few = chosen.filter(isIn8bit);
      const float = chosen.filter((i) => !isIn8bit(i));
      if (few.length > 0) stepFew(few, parameters, gradients, state, numbers);
      if (float.length > 0) stepFloat(float, parameters, gradients, state, numbers);
    }
  },
};

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

function stepFew(
  chosen: readonly number[],
  parameters: readonly Optimized[],
  gradients: readonly torch.Tensor[],
  state: OptimizerState,
  numbers: AdamWNumbers,
): void {
  const tensors = {
    parameters: chosen.map((i) => (parameters[i] as Optimized).tensor),
    gradients: chosen.map((i) => gradients[i] as torch.Tensor),
    means: { codes: stateTensors(state, "state1", chosen), scales: stateTensors(state, "absmax1", chosen) },
    meanSquares: { codes: stateTensors(state, "state2", chosen), scales: stateTensors(state, "absmax2", chosen) },
  };
  stepIn8bit(tensors, state.steps, numbers);
}

/** Half-precision parameters are updated in float32, and rounded once. */
function stepFloat(
  chosen: readonly number[],
  parameters: readonly Optimized[],
  gradients: readonly torch.Tensor[],
  state: OptimizerState,
  numbers: AdamWNumbers,
): void {
  const wide = (tensor: torch.Tensor) => torch.castTo(tensor, torch.wideDtype(tensor.dtype));
  torch.noGrad(() =>
    torch.scope(() => {
      const own = chosen.map((i) => (parameters[i] as Optimized).tensor);
      const tensors = {
        parameters: own.map(wide),
        gradients: chosen.map((i) => wide(gradients[i] as torch.Tensor)),
        means: stateTensors(state, "state1", chosen),
        meanSquares: stateTensors(state, "state2", chosen),
      };
      stepInFloat(tensors, state.steps, numbers);
      for (const [i, stepped] of tensors.parameters.entries())
        if (stepped !== own[i]) torch.copy_(own[i] as torch.Tensor, stepped);
    }),
  );
}

import * as torch from "../index.js";
import type { Memory, Optimized, Optimizer } from "./optimizer.js";

/** At step t the newest squared gradient enters the running mean with weight t to this power. */
const BETA2_DECAY = -0.8;
/** Lower bound on a tensor's root mean square when the step is scaled by it. */
const SMALLEST_SCALE = 1e-3;
/** Largest root mean square of an update. */
const THRESHOLD = 1;

/**
 * Adafactor (arXiv 1804.04235) as in PyTorch, with PyTorch's constants. For a matrix it keeps only the mean squares of rows and
 * of columns. The relative step size is min(lr, 1/√t), scaled by the tensor's root mean square; weight decay is decoupled.
 */
export const adafactor: Optimizer<Record<never, never>> = {
  uses: [],
  stateForms({ shape, dtype }) {
    if (shape.length < 2) return { variance: { shape, dtype } };
    return { row_var: { shape: shape.with(-1, 1), dtype }, col_var: { shape: shape.with(-2, 1), dtype } };
  },
  update(parameters, gradients, state, learningRate) {
    state.steps += 1;
    const rates = { learningRate, steps: state.steps };
    torch.noGrad(() => {
      for (const [i, parameter] of parameters.entries())
        torch.scope(() => stepOne(parameter, gradients[i]!, state.memories[i]!, rates));
    });
  },
};

function stepOne(
  { tensor, weightDecay }: Optimized,
  gradient: torch.Tensor,
  memory: Memory,
  { learningRate, steps }: { readonly learningRate: number; readonly steps: number },
): void {
  const epsilon = smallestIncrement(tensor.dtype);
  const rate = Math.max(SMALLEST_SCALE, rootMeanSquare(tensor)) * Math.min(learningRate, steps ** -0.5);
  if (weightDecay !== 0) torch.mulScalar_(tensor, 1 - learningRate * weightDecay);
  const variance = varianceOf(gradient, memory, steps ** BETA2_DECAY, epsilon);
  const update = torch.mul_(torch.rsqrt(torch.clampMin(variance, epsilon * epsilon)), gradient);
  const excess = Math.max(1, rootMeanSquare(update) / THRESHOLD);
  torch.add_(tensor, update, { alpha: -rate / excess });
}

/** Updates the running mean squares and returns them; for a matrix, as rows · columns / mean of rows. */
function varianceOf(gradient: torch.Tensor, memory: Memory, share: number, epsilon: number): torch.Tensor {
  const { row_var, col_var, variance } = memory;
  if (!row_var || !col_var) return torch.lerp_(variance!, torch.square(gradient), share);
  torch.lerp_(row_var, meanSquare(gradient, -1), share);
  torch.lerp_(col_var, meanSquare(gradient, -2), share);
  const mean = torch.clampMin(torch.meanDim(row_var, [-2], true), epsilon);
  return torch.div(torch.matmul(row_var, col_var), mean);
}

/** Computed from norms, so that the squares of all elements are never in memory. */
function meanSquare(gradient: torch.Tensor, dim: number): torch.Tensor {
  const squares = torch.square(torch.linalgVectorNorm(gradient, 2, [dim], true));
  return torch.divScalar(squares, gradient.shape.at(dim)!);
}

function rootMeanSquare(tensor: torch.Tensor): number {
  return torch.linalgVectorNorm(tensor, 2).item() / Math.sqrt(tensor.numel);
}

/** `torch.finfo(dtype).eps`. */
const smallestIncrement = (dtype: torch.DType): number => (dtype === "float64" ? Number.EPSILON : 2 ** -23);

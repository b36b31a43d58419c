import * as torch from "../torch/index.js";

/** A parameter group member: a tensor and whether weight decay applies to it. */
export interface Optimized {
  readonly tensor: torch.Tensor;
  readonly decays: boolean;
}

export interface AdamWOptions {
  readonly beta1: number;
  readonly beta2: number;
  readonly epsilon: number;
  readonly weightDecay: number;
}

/** Moments of every tensor, in order, and the number of steps taken. */
export interface AdamWState {
  steps: number;
  readonly expAvg: readonly torch.Tensor[];
  readonly expAvgSq: readonly torch.Tensor[];
}

export function initAdamW(tensors: readonly torch.Tensor[]): AdamWState {
  const zeros = () => tensors.map(({ shape, dtype }) => torch.keep(torch.zeros(shape, { dtype })));
  return { steps: 0, expAvg: zeros(), expAvgSq: zeros() };
}

/**
 * One AdamW step in place (decoupled weight decay, arXiv 1711.05101; bias correction of both moments), as torch's:
 * p −= lr·wd·p; p −= lr·m̂ / (√v̂ + ε). One native call for all decayed tensors and one for the others.
 */
export function stepAdamW(
  parameters: readonly Optimized[],
  gradients: readonly torch.Tensor[],
  state: AdamWState,
  learningRate: number,
  options: AdamWOptions,
): void {
  state.steps += 1;
  torch.noGrad(() =>
    torch.scope(() => {
      for (const decays of [true, false]) {
        const chosen = [...parameters.keys()].filter((i) => parameters[i]?.decays === decays);
        if (chosen.length)
          stepGroup(
            chosen,
            parameters,
            gradients,
            state,
            learningRate,
            decays ? options : { ...options, weightDecay: 0 },
          );
      }
    }),
  );
}

function stepGroup(
  chosen: readonly number[],
  parameters: readonly Optimized[],
  gradients: readonly torch.Tensor[],
  state: AdamWState,
  lr: number,
  { beta1, beta2, epsilon: eps, weightDecay }: AdamWOptions,
): void {
  const pick = (list: readonly torch.Tensor[]) => chosen.map((i) => list[i] as torch.Tensor);
  const tensors = chosen.map((i) => (parameters[i] as Optimized).tensor);
  // The operator wants the count of steps as a tensor for each parameter; it reads and does not change them.
  const count = torch.tensor([state.steps], []);
  inRowMajor([tensors, pick(state.expAvg), pick(state.expAvgSq)], ([values, expAvg, expAvgSq]) =>
    torch.fusedAdamw_(
      values as torch.Tensor[],
      pick(gradients).map((gradient) => torch.contiguous(gradient)),
      expAvg as torch.Tensor[],
      expAvgSq as torch.Tensor[],
      [],
      chosen.map(() => count),
      { lr, beta1, beta2, weightDecay, eps, amsgrad: false, maximize: false },
    ),
  );
  for (const tensor of tensors) countChange(tensor);
}

/**
 * The operator walks through memory without heed to strides: changes the tensors of each list in place, those whose elements
 * do not lie in row-major order by way of a copy.
 */
function inRowMajor(
  lists: readonly (readonly torch.Tensor[])[],
  change: (lists: readonly torch.Tensor[][]) => void,
): void {
  const laidOut = lists.map((list) => list.map((tensor) => torch.contiguous(tensor)));
  change(laidOut);
  for (const [l, list] of lists.entries()) {
    for (const [i, tensor] of list.entries()) {
      const changed = laidOut[l]?.[i] as torch.Tensor;
      if (!torch.isSetTo(tensor, changed)) torch.copy_(tensor, changed);
    }
  }
}

/** The fused operator leaves a tensor's version as it was; writing nothing into a part of no elements raises it. */
function countChange(tensor: torch.Tensor): void {
  torch.zero_(torch.narrow(torch.flatten(tensor), 0, 0, 0));
}

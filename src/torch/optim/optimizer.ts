// The interface of optimizers, gradient clipping and learning-rate schedules.

import * as torch from "../index.js";
import * as operators from "../operators/optimizerStep.js";

/** A trained tensor and its weight decay, 0 for none. */
export interface Optimized {
  readonly tensor: torch.Tensor;
  readonly weightDecay: number;
}

/** The optimizer state of one tensor, under PyTorch's names (`exp_avg`, …), or those of the library that the optimizer is from. */
export type Memory = Readonly<Record<string, torch.Tensor>>;

/** A tensor without its elements. */
export interface ShapeAndDtype {
  readonly shape: readonly number[];
  readonly dtype: torch.DType;
}

/** A parameter, as far as the form of its state depends on it. */
export interface OptimizedForm extends ShapeAndDtype {
  /** Whether it is a table of embeddings. */
  readonly isEmbedding?: boolean;
}

/** The state that an optimizer keeps between steps. */
export interface OptimizerState {
  /** Steps taken so far. */
  steps: number;
  /** One entry for each trained tensor, in order. */
  readonly memories: readonly Memory[];
}

/** An optimizer as a value. Its options are named as the run settings are. */
export interface Optimizer<Options extends object> {
  /** The names of its options. */
  readonly uses: readonly (keyof Options & string)[];
  /** Defaults of its options in a run, where they differ from those of the settings. */
  readonly defaults?: Partial<Options>;
  /** The state tensors of a parameter, which are zero before the first step. */
  stateForms(parameter: OptimizedForm, options: Options): Readonly<Record<string, ShapeAndDtype>>;
  /** Takes one step in place, which bumps each tensor's version counter. */
  update(
    parameters: readonly Optimized[],
    gradients: readonly torch.Tensor[],
    state: OptimizerState,
    learningRate: number,
    options: Options,
  ): void;
  /**
   * The derivative of a step with respect to its gradient: −(∂p'/∂g)ᵀ·v for the step that `state` has just taken with `g`.
   * Absent for optimizers that have no such derivative here.
   * @param gradients the gradients given to the step, after clipping
   */
  derivative?(
    v: readonly torch.Tensor[],
    gradients: readonly torch.Tensor[],
    state: OptimizerState,
    learningRate: number,
    options: Options,
  ): torch.Tensor[];
}

/** The state before the first step: zeros on each parameter's device, kept beyond the current scope. */
export function initState<Options extends object>(
  optimizer: Pick<Optimizer<Options>, "stateForms">,
  parameters: readonly (OptimizedForm & Pick<torch.Tensor, "device">)[],
  options: Options,
): OptimizerState {
  const memories = parameters.map((parameter) => {
    const { device } = parameter;
    const forms = Object.entries(optimizer.stateForms(parameter, options));
    return Object.fromEntries(
      forms.map(([name, { shape, dtype }]) => [name, torch.keep(torch.zeros(shape, { dtype, device }))]),
    );
  });
  return { steps: 0, memories };
}

/** What a step needs of the parameters at these indices: the tensors, their gradients, and their state under a name. */
export function picked(
  chosen: readonly number[],
  parameters: readonly Optimized[],
  gradients: readonly torch.Tensor[],
  { memories }: OptimizerState,
) {
  return {
    parameters: chosen.map((i) => parameters[i]!.tensor),
    gradients: chosen.map((i) => gradients[i]!),
    memory: (name: string) => chosen.map((i) => memories[i]![name]!),
  };
}

/** The indices of the parameters by their weight decay, since a call for many tensors takes one. */
export function indicesByDecay(parameters: readonly Optimized[]): Map<number, number[]> {
  const indices = new Map<number, number[]>();
  for (const [i, { weightDecay }] of parameters.entries())
    indices.set(weightDecay, [...(indices.get(weightDecay) ?? []), i]);
  return indices;
}

/** The norm of all tensors concatenated into one vector. */
export function totalNorm(tensors: readonly torch.Tensor[]): number {
  return torch.scope(() => operators.totalNorm(tensors).item());
}

/**
 * Scales gradients to a total norm of at most `maxNorm`, as `torch.nn.utils.clip_grad_norm_` does. Also returns the factor
 * that was applied, min(1, maxNorm / (norm + 1e-6)).
 * @param norm the gradients' `totalNorm`
 */
export function clipGradNorm(
  gradients: readonly torch.Tensor[],
  norm: number,
  maxNorm: number,
): { readonly gradients: readonly torch.Tensor[]; readonly factor: number } {
  const factor = Math.min(1, maxNorm / (norm + 1e-6));
  if (factor === 1) return { gradients, factor };
  return { gradients: operators.scaled(gradients, factor), factor };
}

/** The factor on the learning rate at `progress`, which runs from 0 at the end of the warm-up to 1 at the last step. */
type Decay = (progress: number) => number;

/** The learning-rate schedules by name. */
export const SCHEDULES = {
  /** Linear decay to 0. */
  linear: (progress) => Math.max(0, 1 - progress),
  /** Half a cosine wave down to 0. */
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
  /** No decay. */
  constant: () => 1,
} satisfies Record<string, Decay>;

/** The name of a learning-rate schedule. */
export type ScheduleName = keyof typeof SCHEDULES;

/** The number of warm-up steps of a schedule, as in transformers. */
export const warmupSteps = (total: number, warmupRatio: number): number => Math.ceil(warmupRatio * total);

/**
 * The factor on the learning rate at step t = 0 … total − 1, as in transformers: `t / W` during the warm-up of
 * W = ceil(warmupRatio · total) steps (the first step has rate 0), then the named decay.
 */
export function scheduleFactor(name: ScheduleName, t: number, total: number, warmupRatio: number): number {
  const warmup = warmupSteps(total, warmupRatio);
  if (t < warmup) return t / warmup;
  const decay: Decay = SCHEDULES[name];
  return decay((t - warmup) / Math.max(1, total - warmup));
}

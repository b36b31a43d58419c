import * as torch from "../torch/index.js";

/** A tensor that is trained, and whether weight decay applies to it. */
export interface Optimized {
  readonly tensor: torch.Tensor;
  readonly decays: boolean;
}

/** What an optimiser remembers of one tensor, by torch's names. */
export type Memory = Readonly<Record<string, torch.Tensor>>;

/** What an optimiser knows between steps. */
export interface OptimizerState {
  /** Taken so far. */
  steps: number;
  /** Of every trained tensor, in order. */
  readonly memories: readonly Memory[];
}

/** What every optimiser takes, beside the learning rate. */
export interface DecayOptions {
  readonly weightDecay: number;
}

/** An optimiser as a value. Its options have the names that they have in a run. */
export interface Optimizer<Options extends DecayOptions> {
  /** The options that it alone, or not every optimiser, takes. */
  readonly uses: readonly Exclude<keyof Options & string, keyof DecayOptions>[];
  /** Shapes of what it remembers of a tensor, by torch's names. */
  remembers(shape: readonly number[], options: Options): Readonly<Record<string, readonly number[]>>;
  /** One step in place, which raises the version of each tensor. */
  update(
    parameters: readonly Optimized[],
    gradients: readonly torch.Tensor[],
    state: OptimizerState,
    learningRate: number,
    options: Options,
  ): void;
  /**
   * How a step answers to its gradient: −(∂p'/∂g)ᵀ·v for the step that `state` has just taken with `g`. Absent where the
   * optimiser has none.
   * @param gradients as given to the step, clipped
   */
  derivative?(
    v: readonly torch.Tensor[],
    gradients: readonly torch.Tensor[],
    state: OptimizerState,
    learningRate: number,
    options: Options,
  ): torch.Tensor[];
}

/** The state before the first step: zeros of each tensor's dtype, which outlive the scope. */
export function initState<Options extends DecayOptions>(
  optimizer: Pick<Optimizer<Options>, "remembers">,
  tensors: readonly torch.Tensor[],
  options: Options,
): OptimizerState {
  const memories = tensors.map(({ shape, dtype }) => {
    const shapes = Object.entries(optimizer.remembers(shape, options));
    return Object.fromEntries(shapes.map(([name, own]) => [name, torch.keep(torch.zeros(own, { dtype }))]));
  });
  return { steps: 0, memories };
}

/** One remembered tensor of each of the chosen parameters, all of them by default. */
export function remembered(
  { memories }: OptimizerState,
  name: string,
  chosen: Iterable<number> = memories.keys(),
): torch.Tensor[] {
  return Array.from(chosen, (i) => memories[i]?.[name] as torch.Tensor);
}

/** Positions of the parameters that weight decay applies to, or of the others. */
export function whichDecay(parameters: readonly Optimized[], decays: boolean): number[] {
  return [...parameters.keys()].filter((i) => parameters[i]?.decays === decays);
}

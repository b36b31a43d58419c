import type { TrainedTensor } from "../adapters/index.js";
import {
  initState,
  OPTIMIZERS,
  type Optimizer,
  type OptimizerName,
  type OptimizerOptions,
  type OptimizerState,
  type ScheduleName,
  scheduleFactor,
} from "../optim/index.js";
import * as torch from "../torch/index.js";
import { clipGradients, type FiniteGradients } from "./stepGradients.js";
import { copyBack } from "./trainedTensors.js";

/** An optimiser by name, and its settings. */
export interface OptimizerChoice extends OptimizerOptions {
  readonly optimizer: OptimizerName;
}

export interface LevelOptions extends OptimizerChoice {
  /** Peak learning rate. */
  readonly learningRate: number;
  readonly schedule: ScheduleName;
  readonly warmupRatio: number;
  /** Optimiser steps that the schedule is laid out for. */
  readonly steps: number;
  readonly maxGradNorm: number | undefined;
}

/** What one update did. */
export interface Update {
  readonly learningRate: number;
  /** What clipping multiplied the gradients by. */
  readonly clipFactor: number;
  /** Clipped, in the order of the trained tensors. */
  readonly gradients: readonly torch.Tensor[];
}

/** Tensors that are trained together, with their optimiser and schedule: all of them, or one level of a bilevel problem. */
export class Level {
  readonly #optimizer: Optimizer<OptimizerOptions>;
  readonly #state: OptimizerState;

  constructor(
    readonly trained: readonly TrainedTensor[],
    readonly options: LevelOptions,
  ) {
    this.#optimizer = OPTIMIZERS[options.optimizer];
    this.#state = initState(this.#optimizer, this.tensors(), options);
  }

  /** The tensors as they are now. */
  tensors(): torch.Tensor[] {
    return this.trained.map((member) => member.parameter.tensor);
  }

  /** Updates so far. */
  get stepsDone(): number {
    return this.#state.steps;
  }

  /** Learning rate of the next update. */
  get learningRate(): number {
    const { learningRate, schedule, steps, warmupRatio } = this.options;
    return learningRate * scheduleFactor(schedule, this.#state.steps, steps, warmupRatio);
  }

  /** One optimiser step in place, with the gradients clipped first. */
  update(finite: FiniteGradients): Update {
    const learningRate = this.learningRate;
    const { gradients, factor } = clipGradients(finite, this.options.maxGradNorm);
    const members = this.trained.map(({ parameter, decays }) => ({ tensor: parameter.tensor, decays }));
    this.#optimizer.update(members, gradients, this.#state, learningRate, this.options);
    return { learningRate, clipFactor: factor, gradients };
  }

  /**
   * −(∂p'/∂g)ᵀ·v through the newest update, clipping taken as a constant factor.
   * @param gradients as they came to it
   */
  throughUpdate(
    v: readonly torch.Tensor[],
    gradients: readonly torch.Tensor[],
    { learningRate, clipFactor }: Pick<Update, "learningRate" | "clipFactor">,
  ): torch.Tensor[] {
    if (!this.#optimizer.derivative) throw new TypeError(`${this.options.optimizer} has no derivative.`);
    const clipped = torch.noGrad(() => torch.foreachMulScalar(gradients, clipFactor));
    const product = this.#optimizer.derivative(v, clipped, this.#state, learningRate, this.options);
    return torch.noGrad(() => torch.foreachMulScalar(product, clipFactor));
  }

  /** Gives the parameters fresh copies of their tensors, to be updated instead, and returns those they had. */
  fork(): torch.Tensor[] {
    return torch.noGrad(() => this.replace(this.tensors().map((tensor) => torch.keep(torch.clone(tensor)))));
  }

  /** Gives the parameters other tensors and returns those they had, still alive. */
  replace(tensors: readonly torch.Tensor[]): torch.Tensor[] {
    return this.trained.map(({ parameter }, i) => {
      const next = tensors[i] as torch.Tensor;
      return parameter.swap(next.setRequiresGrad(true)) as torch.Tensor;
    });
  }

  save(): { readonly steps: number; readonly tensors: Map<string, torch.Tensor> } {
    const tensors = this.trained.flatMap(({ name }, i) =>
      Object.entries(this.#state.memories[i] ?? {}).map(([key, tensor]) => [memoryName(name, key), tensor] as const),
    );
    return { steps: this.#state.steps, tensors: new Map(tensors) };
  }

  restore(steps: number, saved: ReadonlyMap<string, torch.Tensor>): void {
    this.#state.steps = steps;
    copyBack(this.save().tensors, saved);
  }
}

const memoryName = (trained: string, key: string): string => `${trained}.${key}`;

/** What a level saves of the optimiser of one tensor: names and shapes. */
export function savedShapes(
  { name, tensor }: Pick<TrainedTensor, "name" | "tensor">,
  options: OptimizerChoice,
): (readonly [name: string, shape: readonly number[]])[] {
  const shapes = OPTIMIZERS[options.optimizer].remembers(tensor.shape, options);
  return Object.entries(shapes).map(([key, shape]) => [memoryName(name, key), shape]);
}

import type { TrainedTensor } from "../adapters/index.js";
import {
  type AdamWOptions,
  type AdamWState,
  clipGradNorm,
  initAdamW,
  type ScheduleName,
  scheduleFactor,
  stepAdamW,
} from "../optim/index.js";
import * as torch from "../torch/index.js";

export interface LevelOptions extends AdamWOptions {
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
}

/** Tensors that are trained together, with their optimiser and schedule: all of them, or one level of a bilevel problem. */
export class Level {
  readonly #state: AdamWState;

  constructor(
    readonly trained: readonly TrainedTensor[],
    readonly options: LevelOptions,
  ) {
    this.#state = initAdamW(this.tensors());
  }

  /** The tensors as they are now. */
  tensors(): torch.Tensor[] {
    return this.trained.map((member) => member.parameter.tensor);
  }

  get optimizer(): AdamWState {
    return this.#state;
  }

  /** Learning rate of the next update. */
  get learningRate(): number {
    const { learningRate, schedule, steps, warmupRatio } = this.options;
    return learningRate * scheduleFactor(schedule, this.#state.steps, steps, warmupRatio);
  }

  /** One optimiser step in place, with the gradients clipped first. */
  update(gradients: readonly torch.Tensor[]): Update {
    const { maxGradNorm } = this.options;
    const learningRate = this.learningRate;
    const clipped = maxGradNorm === undefined ? { gradients, factor: 1 } : clipGradNorm(gradients, maxGradNorm);
    const members = this.trained.map(({ parameter, decays }) => ({ tensor: parameter.tensor, decays }));
    stepAdamW(members, clipped.gradients, this.#state, learningRate, this.options);
    return { learningRate, clipFactor: clipped.factor };
  }

  /** Puts fresh copies in the tensors' places, to be updated instead, and returns what was there. */
  fork(): torch.Tensor[] {
    return torch.noGrad(() => this.replace(this.tensors().map((tensor) => torch.keep(torch.clone(tensor)))));
  }

  /** Puts other tensors in the places and returns what was there, still alive. */
  replace(tensors: readonly torch.Tensor[]): torch.Tensor[] {
    return this.trained.map(({ parameter }, i) => {
      const next = tensors[i] as torch.Tensor;
      return parameter.swap(next.setRequiresGrad(true)) as torch.Tensor;
    });
  }

  save(): { readonly steps: number; readonly tensors: Map<string, torch.Tensor> } {
    const tensors = new Map<string, torch.Tensor>();
    for (const [i, { name }] of this.trained.entries()) {
      const [first, second] = momentNames(name);
      tensors.set(first, this.#state.expAvg[i] as torch.Tensor);
      tensors.set(second, this.#state.expAvgSq[i] as torch.Tensor);
    }
    return { steps: this.#state.steps, tensors };
  }

  restore(steps: number, saved: ReadonlyMap<string, torch.Tensor>): void {
    this.#state.steps = steps;
    torch.noGrad(() => {
      for (const [name, tensor] of this.save().tensors) {
        const value = saved.get(name);
        if (!value) throw new TypeError(`The checkpoint has no ${name}.`);
        torch.copy_(tensor, value);
      }
    });
  }
}

/** The names under which the optimiser's moments of a tensor are saved. */
export const momentNames = (name: string): readonly [string, string] => [`${name}.exp_avg`, `${name}.exp_avg_sq`];

/** Gradients with respect to `inputs`; zero where `loss` does not depend on one. */
export function gradientsOf(
  loss: torch.Tensor,
  inputs: readonly torch.Tensor[],
  options: torch.GradOptions = {},
): torch.Tensor[] {
  const gradients = torch.grad([loss], inputs, { allowUnused: true, ...options });
  return gradients.map((gradient, i) => gradient ?? torch.zerosLike(inputs[i] as torch.Tensor));
}

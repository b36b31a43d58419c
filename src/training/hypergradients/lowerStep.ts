// A step of the lower level, and what the hypergradient needs of it: derivatives at its start, computed after the parameters hold its result.
// In formulas, as in the paper, V are the lower level's tensors (A, B, head), M the upper level's (the magnitudes), L_tr the lower loss.

import { type AdaptedModel, freezeNorms } from "../../models/adapters/index.js";
import type { TaskModel } from "../../models/index.js";
import type { Task } from "../../tasks/index.js";
import type { Ranks } from "../../torch/index.js";
import * as torch from "../../torch/index.js";
import { twiceDifferentiable } from "../../torch/operators/index.js";
import type { TangentTape } from "../../torch/tangents/index.js";
import type { ReplayableMasks } from "../loop/masks.js";
import { gradientsOf, type Penalty, type StepBatches, type StepLoss } from "../steps/batchGradients.js";
import { checkGradients } from "../steps/finite.js";
import type { Level, Update } from "../steps/level.js";
import type { SourceWeights } from "../steps/sourceWeights.js";
import { gradientsWithGraph, stepGradients } from "../steps/stepGradients.js";
import type { HypergradientEstimator, LowerPoint, SecondDerivatives } from "./estimators.js";
import { alongTapes, doubleBackward, gradientOfInnerProduct, overRanks } from "./secondDerivatives.js";

/** Both levels, with the model and task of their losses. */
export interface Levels {
  readonly task: Task;
  readonly model: TaskModel;
  readonly adapted: AdaptedModel;
  /** Trained on the lower rows; its schedule counts lower steps. */
  readonly lower: Level;
  /** Trained on the upper rows. */
  readonly upper: Level;
  readonly masks: ReplayableMasks;
  readonly ranks: Ranks;
  /** The weighted regularizer, part of the lower loss; one rank has it. */
  readonly penalty: Penalty | undefined;
  readonly estimator: HypergradientEstimator;
  /** Weights of the lower rows by their sources. */
  readonly sourceWeights?: SourceWeights | undefined;
}

/** What the steps of a search tell each other. */
export interface SearchMemory {
  /** The first operator found without a tangent: from then on the lower step is differentiated twice instead. */
  operatorWithoutTangent: string | undefined;
  note(text: string): void;
}

/** A lower step that was taken. */
export interface LowerStep {
  readonly batches: StepBatches;
  readonly loss: number;
  readonly point: LowerPoint;
  readonly update: Update;
  /** Recorded passes, if second derivatives are needed. */
  readonly tapes: readonly TangentTape[];
}

/** Does a lower step. @param isLast only the last one keeps its start and its recorded passes */
export function takeLowerStep(levels: Levels, batches: StepBatches, memory: SearchMemory, isLast: boolean): LowerStep {
  const { estimator, penalty } = levels;
  const start = new LowerStart(levels, batches);
  const { lower, upper } = start;
  const wanted = isLast && estimator.wantsUpperGradients ? [...lower, ...upper] : lower;
  const record = isLast && usesTapes(estimator, memory) ? recordedAt(start, estimator) : undefined;
  const { loss, gradients, tapes } = stepGradients({ ...start.loss(), penalty }, wanted, { record });
  const lowerGradients = gradients.slice(0, lower.length);
  const finite = checkGradients(lowerGradients);
  if (isLast) levels.lower.fork();
  const update = levels.lower.update(finite);
  const point: LowerPoint = {
    lower,
    upper,
    lowerGradients,
    upperGradients: gradients.slice(lower.length),
    upperGradientsAt: (u, epsilon) => torch.scope(() => start.upperGradientsAt(u, epsilon)),
    note: memory.note,
    ...overRanks(levels.ranks, secondDerivatives(start, tapes, memory)),
  };
  return { batches, loss, point, update, tapes };
}

/** Frees what a lower step kept for the hypergradient. */
export function releaseStep({ tapes, point }: LowerStep): void {
  for (const tape of tapes) tape.dispose();
  for (const tensor of point.lower) tensor.dispose();
}

const usesTapes = (estimator: HypergradientEstimator, { operatorWithoutTangent }: SearchMemory): boolean =>
  !estimator.byDoubleBackward && operatorWithoutTangent === undefined;

/** The moving tensors, and those whose gradients are differentiated. */
function recordedAt({ lower, upper }: LowerStart, { secondDerivatives }: HypergradientEstimator) {
  if (secondDerivatives === undefined) return undefined;
  return { moving: lower, wanted: secondDerivatives === "mixed" ? upper : [...lower, ...upper] };
}

/** Of this rank's part of the loss. */
function secondDerivatives(start: LowerStart, tapes: readonly TangentTape[], memory: SearchMemory): SecondDerivatives {
  const { estimator } = start.levels;
  const recordedAgain = () => start.recordAgain();
  if (!usesTapes(estimator, memory)) return doubleBackward(recordedAgain);
  return alongTapes({
    tapes,
    lower: estimator.secondDerivatives === "hessian" ? start.lower : [],
    upper: start.upper,
    penaltyHessian: (u) => start.penaltyHessian(u),
    otherwise: (operator) => {
      memory.operatorWithoutTangent = operator;
      memory.note(
        `${operator} has neither a tangent nor a second derivative: second derivatives come from a recorded backward pass, which takes longer.`,
      );
      return doubleBackward(recordedAgain);
    },
  });
}

/** The start of a lower step, with its rows and its random numbers. */
class LowerStart {
  readonly lower: readonly torch.Tensor[];
  readonly upper: readonly torch.Tensor[];
  readonly #mark: Uint8Array;
  #penaltyGradients: readonly torch.Tensor[] | undefined;

  constructor(
    readonly levels: Levels,
    readonly batches: StepBatches,
  ) {
    this.#mark = levels.masks.mark();
    this.lower = levels.lower.tensors();
    this.upper = levels.upper.tensors();
  }

  /** The lower step's gradients once more, with their graph. */
  recordAgain() {
    const { lower, upper, levels } = this;
    const { masks, penalty } = levels;
    const objective = { ...this.loss(), penalty };
    const gradients = this.#there(() =>
      masks.replay(this.#mark, () => torch.enableGrad(() => gradientsWithGraph(objective, lower))),
    );
    return { lower, upper, gradients };
  }

  /** ∇²_V R·u of the weighted regularizer. */
  penaltyHessian(u: readonly torch.Tensor[]): torch.Tensor[] | undefined {
    const { penalty } = this.levels;
    if (!penalty) return undefined;
    this.#penaltyGradients ??= this.#there(() =>
      torch.enableGrad(() => gradientsOf(twiceDifferentiable(penalty), this.lower, { createGraph: true })),
    );
    return gradientOfInnerProduct(this.#penaltyGradients, u, this.lower);
  }

  /** ∇_M L_tr(V + εu, M). Constant norms keep their values at V. The regularizer does not depend on M. */
  upperGradientsAt(u: readonly torch.Tensor[], epsilon: number): readonly torch.Tensor[] {
    const { adapted, lower, masks } = this.levels;
    return this.#there(() => {
      const release = freezeNorms(adapted);
      try {
        lower.replace(torch.noGrad(() => torch.foreachAdd(this.lower, u, { alpha: epsilon })));
        return masks.replay(this.#mark, () => stepGradients(this.loss(), this.upper).gradients);
      } finally {
        release();
      }
    });
  }

  /** The lower loss on the step's rows, without the regularizer. */
  loss(): StepLoss {
    const { ranks, task, model, masks, sourceWeights } = this.levels;
    return { ranks, task, model, batches: this.batches, context: masks.contextOf(task), sourceWeights };
  }

  /** Runs `body` with the start's tensors in the parameters, which hold those after the step before and after it. */
  #there<T>(body: () => T): T {
    const after = this.levels.lower.replace(this.lower);
    try {
      return body();
    } finally {
      this.levels.lower.replace(after);
    }
  }
}

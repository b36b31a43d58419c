// Names follow the paper: V are the directions (A, B, head), M the magnitudes.

import type { BilevelState } from "../../base/records/index.js";
import type { TrainedTensor } from "../../models/adapters/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import * as torch from "../../torch/index.js";
import { totalNorm } from "../../torch/optim/index.js";
import type { TangentTape } from "../../torch/tangents/index.js";
import type { HypergradientEstimator, LowerPoint, SecondDerivatives } from "../hypergradients/estimators.js";
import { alongTapes, doubleBackward, overRanks } from "../hypergradients/secondDerivatives.js";
import { type Levels, UnrolledStep } from "../hypergradients/unrolledStep.js";
import type { BatchSource } from "../loop/batches.js";
import type { Update } from "./level.js";
import { PassMean } from "./passMean.js";
import { checkGradients, type FiniteGradients, type StepBatches, stepGradients, takeBatches } from "./stepGradients.js";
import type { RuleState, StepReport, StepRule } from "./stepRule.js";

/** The weight of the second term: the lower step's learning rate, the derivative of the optimizer's step, or a number. */
export type Xi = RunConfig["xi"];

export interface BilevelRuleOptions extends Levels {
  readonly lowerBatches: BatchSource;
  readonly upperBatches: BatchSource;
  readonly estimator: HypergradientEstimator;
  readonly xi: Xi;
  readonly unrollSteps: number;
  /** Batches in a lower step, and in an upper one. */
  readonly gradientAccumulation: number;
  /** Leave everything but the places in data and random numbers as it was if a step fails, so that it can go on with other batches. */
  readonly isRepeatable?: boolean;
  /** Report the mean loss of each pass over the upper rows. */
  readonly reportsPasses?: boolean;
}

/** A lower step that was taken: its starting point, its gradients, and its update. */
interface LowerStep {
  readonly batches: StepBatches;
  readonly loss: number;
  readonly point: LowerPoint;
  readonly update: Update;
  /** Recorded passes of the last lower step, if second derivatives are needed. */
  readonly tapes: readonly TangentTape[];
}

interface Hypergradient {
  /** The upper level's loss. */
  readonly loss: number;
  /** One tensor per magnitude. */
  readonly tensors: readonly torch.Tensor[];
  /** The norm of the second term; undefined if it is left out. */
  readonly secondNorm?: number;
}

const difference = (first: readonly torch.Tensor[], second: readonly torch.Tensor[]): torch.Tensor[] =>
  torch.noGrad(() => torch.foreachSub(first, second));

/** Frees what a lower step kept for the hypergradient. */
function release({ tapes, point }: LowerStep): void {
  for (const tape of tapes) tape.dispose();
  for (const tensor of point.directions) tensor.dispose();
}

function shareOf(secondNorm: number | undefined, norm: number): { readonly secondOrderShare?: number } {
  const share = secondNorm === undefined ? Number.NaN : secondNorm / norm;
  return Number.isFinite(share) ? { secondOrderShare: share } : {};
}

/**
 * BiDoRA's search step (section 3.2): `unrollSteps` optimizer steps on V with the lower rows, then one on M with
 *
 *     g = ∇_M L_val(V', M) − ξ·∇²_{M,V} L_tr(V, M)·∇_{V'} L_val(V', M)
 *
 * where V' is the direction after the lower step and the mixed derivative is taken before it.
 */
export class BilevelRule implements StepRule {
  readonly phase = "search";

  #operatorWithoutTangent: string | undefined;
  readonly #notes = new Notes();
  readonly #pass = new PassMean();

  constructor(readonly options: BilevelRuleOptions) {}

  get steps(): number {
    return this.options.upper.options.steps;
  }

  get trained(): readonly TrainedTensor[] {
    return [...this.options.lower.trained, ...this.options.upper.trained];
  }

  get hasMoved(): boolean {
    return this.options.lower.hasMoved || this.options.upper.hasMoved;
  }

  get isSettled(): boolean {
    const { lower, upper, lowerBatches } = this.options;
    return lower.isPastWarmup && upper.isPastWarmup && lowerBatches.state.pass > 0;
  }

  /** The first operator found without a tangent: from then on the lower step is differentiated twice instead. */
  get operatorWithoutTangent(): string | undefined {
    return this.#operatorWithoutTangent;
  }

  step(): StepReport {
    const mark = this.options.isRepeatable ? this.options.lower.mark() : undefined;
    try {
      const { report, gradients } = this.descend();
      this.options.upper.update(gradients);
      return report;
    } catch (error) {
      mark?.restore();
      throw error;
    } finally {
      mark?.dispose();
    }
  }

  /** Does the lower steps and computes the hypergradient at their result. The magnitudes do not change. */
  descend(): { readonly report: StepReport; readonly gradients: FiniteGradients } {
    const { unrollSteps, upperBatches } = this.options;
    const { pass } = upperBatches.state;
    const { taken, last, above } = this.#takeSteps();
    const { upperLoss, gradients, secondNorm } = this.#ascent(last, above);
    const all = [...taken.map(({ batches }) => batches), above];
    const report = {
      loss: taken.reduce((sum, { loss }) => sum + loss, 0) / unrollSteps,
      upperLoss,
      ...this.#passLoss(upperLoss, above, upperBatches.state.pass > pass),
      hypergradientNorm: gradients.norm,
      ...shareOf(secondNorm, gradients.norm),
      learningRate: last.update.learningRate,
      rows: all.reduce((sum, { rows }) => sum + rows, 0),
      tokens: all.reduce((sum, { tokens }) => sum + tokens, 0),
      ...this.#notes.fresh(),
    };
    return { report, gradients };
  }

  /**
   * The hypergradient with another second term, which may take long: the event loop turns meanwhile. Lower steps and first term are computed
   * before this returns its promise.
   */
  async descendWith(
    secondTerm: (point: LowerPoint, v: readonly torch.Tensor[]) => Promise<readonly torch.Tensor[]>,
  ): Promise<FiniteGradients> {
    const { last, above } = this.#takeSteps();
    try {
      const { first, v } = torch.scope(() => this.#upperGradients(above));
      const second = await secondTerm(last.point, v);
      return checkGradients(difference(first, second), "hypergradient");
    } finally {
      release(last);
    }
  }

  /** Does the lower steps, and takes the batches of the upper one. */
  #takeSteps() {
    const { task, unrollSteps, upperBatches, gradientAccumulation } = this.options;
    const taken: LowerStep[] = [];
    for (let k = 1; k <= unrollSteps; k++) taken.push(torch.scope(() => this.#lowerStep(k === unrollSteps)));
    return { taken, last: taken.at(-1) as LowerStep, above: takeBatches(task, upperBatches, gradientAccumulation) };
  }

  /** The checked hypergradient. What the lower step kept for it is released. */
  #ascent(last: LowerStep, above: StepBatches) {
    try {
      const { loss: upperLoss, tensors, secondNorm } = torch.scope(() => this.#hypergradient(last, above));
      return { upperLoss, secondNorm, gradients: checkGradients(tensors, "hypergradient") };
    } finally {
      release(last);
    }
  }

  #passLoss(loss: number, { weight }: StepBatches, endsPass: boolean): { readonly upperPassLoss?: number } {
    const upperPassLoss = this.options.reportsPasses ? this.#pass.add(loss, weight, endsPass) : undefined;
    return upperPassLoss === undefined ? {} : { upperPassLoss };
  }

  /** Does a lower step. Only the last one keeps its starting point and its recorded passes. */
  #lowerStep(isLast: boolean): LowerStep {
    const { task, ranks, lower, lowerBatches, gradientAccumulation, estimator, penalty } = this.options;
    const batches = takeBatches(task, lowerBatches, gradientAccumulation);
    const start = new UnrolledStep(this.options, batches);
    const { directions, magnitudes } = start;
    const wanted = isLast && estimator.wantsMagnitudeGradients ? [...directions, ...magnitudes] : directions;
    const record = isLast ? this.#recorded(start) : undefined;
    const { loss, gradients, tapes } = stepGradients(ranks, { ...start.loss(), penalty }, wanted, { record });
    const directionGradients = gradients.slice(0, directions.length);
    const finite = checkGradients(directionGradients);
    if (isLast) lower.fork();
    const update = lower.update(finite);
    const point: LowerPoint = {
      directions,
      magnitudes,
      directionGradients,
      magnitudeGradients: gradients.slice(directions.length),
      magnitudeGradientsAt: (u, epsilon) => torch.scope(() => start.magnitudeGradientsAt(u, epsilon)),
      note: (text) => this.#notes.add(text),
      ...this.#secondDerivatives(start, tapes),
    };
    return { batches, loss, point, update, tapes };
  }

  /** The moving tensors, and those whose gradients are differentiated. */
  #recorded({ directions, magnitudes }: UnrolledStep) {
    const { secondDerivatives, byDoubleBackward } = this.options.estimator;
    if (secondDerivatives === "none" || byDoubleBackward || this.#operatorWithoutTangent !== undefined)
      return undefined;
    return { moving: directions, wanted: secondDerivatives === "mixed" ? magnitudes : [...directions, ...magnitudes] };
  }

  #secondDerivatives(start: UnrolledStep, tapes: readonly TangentTape[]): SecondDerivatives {
    return overRanks(this.options.ranks, this.#ownSecondDerivatives(start, tapes));
  }

  /** Of this rank's part of the loss. */
  #ownSecondDerivatives(start: UnrolledStep, tapes: readonly TangentTape[]): SecondDerivatives {
    const { estimator } = this.options;
    const recordedAgain = () => start.recordAgain();
    if (estimator.byDoubleBackward || this.#operatorWithoutTangent !== undefined) return doubleBackward(recordedAgain);
    return alongTapes({
      tapes,
      directions: estimator.secondDerivatives === "hessian" ? start.directions : [],
      magnitudes: start.magnitudes,
      penaltyHessian: (u) => start.penaltyHessian(u),
      otherwise: (operator) => {
        this.#operatorWithoutTangent = operator;
        this.#notes.add(
          `${operator} has neither a tangent nor a second derivative: second derivatives come from a recorded backward pass, which takes longer.`,
        );
        return doubleBackward(recordedAgain);
      },
    });
  }

  #hypergradient(last: LowerStep, batches: StepBatches): Hypergradient {
    const { estimator } = this.options;
    const { loss, first, v } = this.#upperGradients(batches);
    if (!estimator.isSecondOrder) return { loss, tensors: first };
    const second = estimator.secondTerm(last.point, {
      v,
      learningRate: last.update.learningRate,
      weighted: this.#weighted(v, last),
    });
    const secondNorm = totalNorm(second);
    return { loss, tensors: difference(first, second), secondNorm };
  }

  /** ∇_M L_val(V', M), and v = ∇_{V'} L_val(V', M), of which there is nothing without a second term. */
  #upperGradients(batches: StepBatches) {
    const { task, model, lower, upper, masks, ranks, estimator } = this.options;
    const magnitudes = upper.tensors();
    const inputs = estimator.isSecondOrder ? [...magnitudes, ...lower.tensors()] : magnitudes;
    const objective = { task, model, batches, context: masks.contextOf(task), what: "upper loss" };
    const { loss, gradients } = stepGradients(ranks, objective, inputs);
    return { loss, first: gradients.slice(0, magnitudes.length), v: gradients.slice(magnitudes.length) };
  }

  /** ξ·v, or D∘v with D the derivative of the lower optimizer's step. */
  #weighted(v: readonly torch.Tensor[], { point, update }: LowerStep): torch.Tensor[] {
    const { xi } = this.options;
    const factor = xi === "learning-rate" ? update.learningRate : xi;
    if (factor !== "optimizer") return torch.noGrad(() => torch.foreachMulScalar(v, factor));
    return this.options.lower.throughUpdate(v, point.directionGradients, update);
  }

  save(): RuleState {
    const { lower, upper, lowerBatches, upperBatches, reportsPasses } = this.options;
    const [below, above] = [lower.save(), upper.save()];
    return {
      tensors: new Map([...below.tensors, ...above.tensors]),
      values: {
        lower: below.steps,
        upper: above.steps,
        lowerBatches: { ...lowerBatches.state },
        upperBatches: { ...upperBatches.state },
        ...(reportsPasses && { upperPass: { ...this.#pass.state } }),
      },
    };
  }

  restore({ tensors, values }: RuleState): void {
    const saved = values as BilevelState;
    this.options.lower.restore(saved.lower, tensors);
    this.options.upper.restore(saved.upper, tensors);
    this.options.lowerBatches.restore(saved.lowerBatches);
    this.options.upperBatches.restore(saved.upperBatches);
    if (saved.upperPass) this.#pass.restore(saved.upperPass);
  }
}

/** Sentences for the user, each of which a rule reports with one step. */
class Notes {
  readonly #sent = new Set<string>();
  #fresh: string[] = [];

  add(text: string): void {
    if (!this.#sent.has(text)) this.#fresh.push(text);
    this.#sent.add(text);
  }

  /** The notes since the last call, as a field of a step's report. */
  fresh(): { readonly note?: string } {
    const note = this.#fresh.join(" ");
    this.#fresh = [];
    return note === "" ? {} : { note };
  }
}

import type { BilevelState } from "../../base/records/index.js";
import type { TrainedTensor, TrainingHooks } from "../../models/adapters/index.js";
import type { RunConfig } from "../../tasks/config/index.js";
import * as torch from "../../torch/index.js";
import { totalNorm } from "../../torch/optim/index.js";
import { type LowerPoint, timesRates } from "../hypergradients/estimators.js";
import {
  type Levels,
  type LowerStep,
  releaseStep,
  type SearchMemory,
  takeLowerStep,
} from "../hypergradients/lowerStep.js";
import type { BatchSource } from "../loop/batches.js";
import type { StepBatches } from "./batchGradients.js";
import { checkGradients, type FiniteGradients } from "./finite.js";
import type { Update } from "./level.js";
import type { StartOutputs } from "./startOutputs.js";
import { stepGradients } from "./stepGradients.js";
import { type RuleState, runAfterStep, type StepReport, type StepRule } from "./stepRule.js";
import { takeBatches } from "./takeBatches.js";
import { hookMemory, restoreTensors } from "./trainedTensors.js";

/** The weight of the second term: the lower step's learning rate, the derivative of the optimizer's step, or a number. */
export type Xi = RunConfig["xi"];

export interface BilevelRuleOptions extends Levels {
  readonly lowerBatches: BatchSource;
  readonly upperBatches: BatchSource;
  readonly xi: Xi;
  readonly unrollSteps: number;
  /** Of a task that compares with the model before training. */
  readonly startOutputs?: StartOutputs | undefined;
  /** Batches in a lower step, and in an upper one. */
  readonly gradientAccumulation: number;
  /** Leave everything but the places in data and random numbers as it was if a step fails, so that it can go on with other batches. */
  readonly isRepeatable?: boolean;
  /** Report the mean loss of each pass over the upper rows. */
  readonly reportsPasses?: boolean;
  /** The adapter method's additions to training. */
  readonly hooks?: TrainingHooks | undefined;
  /** The upper loss depends on the upper tensors through the lower level alone: the second term is all of the hypergradient. */
  readonly isIndirect?: boolean | undefined;
  /** What the upper level's tensors are worth, by name, for the log. */
  readonly values?: (() => Readonly<Record<string, number>>) | undefined;
}

/** The lower steps of a search step, and the batches of its upper step. */
interface Taken {
  readonly lower: readonly LowerStep[];
  readonly last: LowerStep;
  readonly upperBatches: StepBatches;
}

const difference = (first: readonly torch.Tensor[], second: readonly torch.Tensor[]): torch.Tensor[] =>
  torch.noGrad(() => torch.foreachSub(first, second));

/**
 * BiDoRA's search step (section 3.2): `unrollSteps` optimizer steps on the lower tensors V (in BiDoRA A, B and the head) with the lower rows,
 * then one on the upper tensors M (in BiDoRA the magnitudes) with
 *
 *     g = ∇_M L_val(V', M) − ξ·∇²_{M,V} L_tr(V, M)·∇_{V'} L_val(V', M)
 *
 * where V' is V after the lower step and the mixed derivative is taken before it.
 */
export class BilevelRule implements StepRule {
  readonly phase = "search";

  readonly #notes = new Notes();
  readonly #memory: SearchMemory = {
    operatorWithoutTangent: undefined,
    note: (text) => this.#notes.add(text),
  };
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

  get operatorWithoutTangent(): string | undefined {
    return this.#memory.operatorWithoutTangent;
  }

  step(): StepReport {
    const mark = this.options.isRepeatable ? this.options.lower.mark() : undefined;
    try {
      const { report, gradients, lower } = this.descend();
      const { upper, values } = this.options;
      this.#afterStep([...lower.gradients, ...upper.update(gradients).gradients]);
      return { ...report, ...(values && { upper: values() }) };
    } catch (error) {
      mark?.restore();
      throw error;
    } finally {
      mark?.dispose();
    }
  }

  /** Does the lower steps and computes the hypergradient at their result. The upper tensors do not change. */
  descend(): { readonly report: StepReport; readonly gradients: FiniteGradients; readonly lower: Update } {
    const { pass } = this.options.upperBatches.state;
    const taken = this.#takeSteps();
    const isPassOver = this.options.upperBatches.state.pass > pass;
    try {
      const { loss, tensors, secondNorm } = torch.scope(() => this.#hypergradient(taken));
      const gradients = checkGradients(tensors, "hypergradient");
      const lower = taken.last.update;
      return { gradients, lower, report: this.#report(taken, loss, gradients.norm, secondNorm, isPassOver) };
    } finally {
      releaseStep(taken.last);
    }
  }

  /** @param gradients of the last lower update and of the upper one */
  #afterStep(gradients: readonly torch.Tensor[]): void {
    const { hooks, upper } = this.options;
    const step = { step: upper.stepsDone, steps: this.steps };
    runAfterStep(hooks, this.trained, gradients, step);
  }

  /**
   * The hypergradient with another second term, which may take long: the event loop turns meanwhile. Lower steps and first term are computed
   * before this returns its promise.
   */
  async descendWith(
    secondTerm: (point: LowerPoint, v: readonly torch.Tensor[], update: Update) => Promise<readonly torch.Tensor[]>,
  ): Promise<FiniteGradients> {
    const { last, upperBatches } = this.#takeSteps();
    try {
      const { first, v } = torch.scope(() => this.#upperGradients(upperBatches));
      const second = await secondTerm(last.point, v, last.update);
      return checkGradients(difference(first, second), "hypergradient");
    } finally {
      releaseStep(last);
    }
  }

  /** Does the lower steps, and takes the batches of the upper one. */
  #takeSteps(): Taken {
    const { unrollSteps, lowerBatches, upperBatches, gradientAccumulation } = this.options;
    const lower: LowerStep[] = [];
    for (let k = 1; k <= unrollSteps; k++) {
      const batches = takeBatches(this.options, lowerBatches, gradientAccumulation);
      lower.push(torch.scope(() => takeLowerStep(this.options, batches, this.#memory, k === unrollSteps)));
    }
    return { lower, last: lower.at(-1)!, upperBatches: takeBatches(this.options, upperBatches, gradientAccumulation) };
  }

  /** The upper loss, the hypergradient (a tensor for each upper tensor), and the norm of its second term unless that is left out. */
  #hypergradient({ last, upperBatches }: Taken) {
    const { estimator, isIndirect } = this.options;
    const { loss, first, v } = this.#upperGradients(upperBatches);
    if (!estimator.secondTerm) return { loss, tensors: first };
    const { rates } = last.update;
    const weighted = () => this.#weighted(v, last);
    const second = estimator.secondTerm(last.point, { v, rates, weighted });
    const tensors = difference(first, second);
    return isIndirect ? { loss, tensors } : { loss, tensors, secondNorm: totalNorm(second) };
  }

  /** ∇_M L_val(V', M), 0 if the loss does not depend on M itself, and v = ∇_{V'} L_val(V', M), of which there is nothing without a second term. */
  #upperGradients(batches: StepBatches) {
    const { task, model, lower, upper, masks, ranks, estimator, isIndirect } = this.options;
    const tensors = isIndirect ? [] : upper.tensors();
    const inputs = estimator.secondTerm ? [...tensors, ...lower.tensors()] : tensors;
    const objective = { ranks, task, model, batches, context: masks.contextOf(task), what: "upper loss" };
    const { loss, gradients } = stepGradients(objective, inputs);
    const first = isIndirect
      ? upper.tensors().map((tensor) => torch.zerosLike(tensor))
      : gradients.slice(0, tensors.length);
    return { loss, first, v: gradients.slice(tensors.length) };
  }

  /** ξ·v, or D∘v with D the derivative of the lower optimizer's step. */
  #weighted(v: readonly torch.Tensor[], { point, update }: LowerStep): torch.Tensor[] {
    const { xi } = this.options;
    if (xi === "learning-rate") return timesRates(v, update.rates);
    if (xi !== "optimizer") return torch.noGrad(() => torch.foreachMulScalar(v, xi));
    return this.options.lower.throughUpdate(v, point.lowerGradients, update);
  }

  #report(
    { lower, last, upperBatches }: Taken,
    upperLoss: number,
    norm: number,
    secondNorm: number | undefined,
    isPassOver: boolean,
  ): StepReport {
    const all = [...lower.map(({ batches }) => batches), upperBatches];
    const secondOrderShare = secondNorm === undefined ? Number.NaN : secondNorm / norm;
    const { reportsPasses } = this.options;
    const upperPassLoss = reportsPasses ? this.#pass.add(upperLoss, upperBatches.weight, isPassOver) : undefined;
    const note = this.#notes.fresh();
    return {
      loss: last.loss,
      upperLoss,
      ...(upperPassLoss !== undefined && { upperPassLoss }),
      hypergradientNorm: norm,
      ...(Number.isFinite(secondOrderShare) && { secondOrderShare }),
      learningRate: last.update.learningRate,
      rows: all.reduce((sum, { rows }) => sum + rows, 0),
      tokens: all.reduce((sum, { tokens }) => sum + tokens, 0),
      ...(note !== "" && { note }),
    };
  }

  save(): RuleState {
    const { lowerBatches, upperBatches, reportsPasses, hooks, startOutputs } = this.options;
    const [lower, upper] = [this.options.lower.save(), this.options.upper.save()];
    return {
      tensors: new Map([...lower.tensors, ...upper.tensors, ...hookMemory(hooks), ...(startOutputs?.save() ?? [])]),
      values: {
        lower: lower.steps,
        upper: upper.steps,
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
    restoreTensors(hookMemory(this.options.hooks), tensors);
    this.options.startOutputs?.restore(tensors);
    this.options.lowerBatches.restore(saved.lowerBatches);
    this.options.upperBatches.restore(saved.upperBatches);
    if (saved.upperPass) this.#pass.state = saved.upperPass;
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

  /** The notes since the last call. */
  fresh(): string {
    return this.#fresh.splice(0).join(" ");
  }
}

const NOTHING = { sum: 0, weight: 0 };

/** The mean loss of each pass over some rows, accumulated step by step. */
export class PassMean {
  /** The sums of a pass so far. */
  state = NOTHING;

  /**
   * Adds a step's loss.
   * @param weight the number of rows, or of labeled tokens, in the step's loss
   * @param endsPass whether the step took the last batch of a pass; all its batches then count in that pass
   * @returns the mean loss at the end of a pass; undefined before, and for a pass without a loss
   */
  add(loss: number, weight: number, endsPass: boolean): number | undefined {
    const { sum, weight: total } = this.state;
    const all = { sum: sum + loss * weight, weight: total + weight };
    this.state = endsPass ? NOTHING : all;
    return endsPass && all.weight > 0 ? all.sum / all.weight : undefined;
  }
}

// Names follow the paper: V are the directions (A, B, head), M the magnitudes.
import { type AdaptedModel, holdNorms } from "../adapters/index.js";
import type { Batch } from "../data/index.js";
import type { TaskModel } from "../models/index.js";
import { adamwDerivative, totalNorm } from "../optim/index.js";
import * as torch from "../torch/index.js";
import type { BatchStream } from "./batches.js";
import type { HypergradientEstimator, LowerPoint } from "./hypergradients/index.js";
import { gradientsOf, type Level, type Update } from "./level.js";
import { finiteLoss } from "./lossNotFinite.js";
import type { ReplayableMasks } from "./masks.js";
import { batchLoss } from "./objective.js";
import type { RuleState, StepReport, StepRule } from "./stepRule.js";

/** What weights the second term: the lower step's learning rate, the derivative of the AdamW step, or a number. */
export type Xi = "learning-rate" | "optimizer" | number;

export interface BilevelRuleOptions {
  readonly model: TaskModel;
  readonly adapted: AdaptedModel;
  /** Directions, trained on the lower rows; its schedule counts lower steps. */
  readonly lower: Level;
  /** Magnitudes, trained on the upper rows. */
  readonly upper: Level;
  readonly lowerBatches: BatchStream;
  readonly upperBatches: BatchStream;
  readonly masks: ReplayableMasks;
  readonly estimator: HypergradientEstimator;
  readonly xi: Xi;
  readonly unrollSteps: number;
  /** The weighted regulariser, part of the lower loss. */
  readonly penalty: (() => torch.Tensor) | undefined;
}

/** A lower step as it was taken: where it began, with what gradients, and what it did. */
interface LowerStep {
  readonly batch: Batch;
  readonly loss: number;
  readonly point: LowerPoint;
  readonly update: Update;
}

/**
 * BiDoRA's search step (section 3.2): `unrollSteps` optimiser steps on V with the lower rows, then one on M with
 *
 *     g = ∇_M L_val(V', M) − ξ·∇²_{M,V} L_tr(V, M)·∇_{V'} L_val(V', M)
 *
 * where V' is the direction after the lower step and the mixed derivative is taken before it.
 */
export class BilevelRule implements StepRule {
  readonly phase = "search";

  constructor(readonly options: BilevelRuleOptions) {}

  get steps(): number {
    return this.options.upper.options.steps;
  }

  step(): StepReport {
    const { unrollSteps, upper } = this.options;
    const taken: LowerStep[] = [];
    for (let k = 1; k <= unrollSteps; k++) taken.push(torch.scope(() => this.#lowerStep(k === unrollSteps)));
    const last = taken.at(-1) as LowerStep;
    const upperBatch = this.options.upperBatches.next();
    const { loss: upperLoss, gradients } = torch.scope(() => this.#hypergradient(last, upperBatch));
    const hypergradientNorm = finiteLoss(totalNorm(gradients), "hypergradient's norm");
    for (const tensor of last.point.directions) tensor.dispose();
    upper.update(gradients);
    const batches = [...taken.map(({ batch }) => batch), upperBatch];
    return {
      loss: taken.reduce((sum, { loss }) => sum + loss, 0) / unrollSteps,
      upperLoss,
      hypergradientNorm,
      learningRate: last.update.learningRate,
      rows: batches.reduce((sum, batch) => sum + batch.rows, 0),
      tokens: batches.reduce((sum, batch) => sum + batch.ids.length, 0),
    };
  }

  /** Only the last lower step's graph and starting point are asked for again. */
  #lowerStep(isLast: boolean): LowerStep {
    const { model, lower, upper, lowerBatches, masks, estimator, penalty } = this.options;
    const batch = lowerBatches.next();
    const mark = masks.mark();
    const keepsGraph = isLast && estimator.keepsGraph;
    const data = batchLoss(model, batch, masks.training(keepsGraph));
    const loss = finiteLoss(data.item());
    const whole = penalty ? torch.add(data, penalty()) : data;
    const magnitudes = upper.tensors();
    const directions = lower.tensors();
    const wanted = isLast && estimator.wantsMagnitudeGradients ? [...directions, ...magnitudes] : directions;
    const gradients = gradientsOf(whole, wanted, { createGraph: keepsGraph });
    const directionGradients = gradients.slice(0, directions.length);
    if (isLast) lower.fork();
    const update = lower.update(directionGradients.map((gradient) => torch.detach(gradient)));
    const point: LowerPoint = {
      directions,
      magnitudes,
      directionGradients,
      magnitudeGradients: gradients.slice(directions.length),
      magnitudeGradientsAt: (u, epsilon) =>
        torch.scope(() => this.#magnitudeGradientsAt(batch, mark, directions, u, epsilon)),
    };
    return { batch, loss, point, update };
  }

  #hypergradient(last: LowerStep, batch: Batch): { loss: number; gradients: torch.Tensor[] } {
    const { model, lower, upper, masks, estimator } = this.options;
    const value = batchLoss(model, batch, masks.training());
    const loss = finiteLoss(value.item(), "upper loss");
    const magnitudes = upper.tensors();
    if (!estimator.isSecondOrder) return { loss, gradients: gradientsOf(value, magnitudes) };
    const gradients = gradientsOf(value, [...magnitudes, ...lower.tensors()]);
    const first = gradients.slice(0, magnitudes.length);
    const v = gradients.slice(magnitudes.length);
    const second = estimator.secondTerm(last.point, {
      v,
      learningRate: last.update.learningRate,
      weighted: this.#weighted(v, last),
    });
    return { loss, gradients: torch.noGrad(() => torch.foreachSub(first, second)) };
  }

  /** ξ·v, or D∘v with D the derivative of the lower AdamW step (clipping taken as a constant factor). */
  #weighted(v: readonly torch.Tensor[], { point, update }: LowerStep): torch.Tensor[] {
    const { xi } = this.options;
    const factor = xi === "learning-rate" ? update.learningRate : xi;
    if (factor !== "optimizer") return torch.noGrad(() => torch.foreachMulScalar(v, factor));
    const { optimizer, options } = this.options.lower;
    return torch.noGrad(() => {
      const clipped = torch.foreachMulScalar(point.directionGradients, update.clipFactor);
      const derivative = adamwDerivative(clipped, optimizer, update.learningRate, options);
      return torch.foreachMulScalar(torch.foreachMul(derivative, v), update.clipFactor);
    });
  }

  /** The places hold V' before and after; a norm that is a constant is that at V. The regulariser has no M. */
  #magnitudeGradientsAt(
    batch: Batch,
    mark: Uint8Array,
    directions: readonly torch.Tensor[],
    u: readonly torch.Tensor[],
    epsilon: number,
  ): torch.Tensor[] {
    const { model, adapted, lower, upper, masks } = this.options;
    const after = lower.replace(directions);
    const release = holdNorms(adapted);
    try {
      lower.replace(torch.noGrad(() => torch.foreachAdd(directions, u, { alpha: epsilon })));
      return masks.replay(mark, () => gradientsOf(batchLoss(model, batch, masks.training()), upper.tensors()));
    } finally {
      release();
      lower.replace(after);
    }
  }

  save(): RuleState {
    const { lower, upper, lowerBatches, upperBatches } = this.options;
    const [below, above] = [lower.save(), upper.save()];
    return {
      tensors: new Map([...below.tensors, ...above.tensors]),
      values: {
        lower: below.steps,
        upper: above.steps,
        lowerBatches: { ...lowerBatches.state },
        upperBatches: { ...upperBatches.state },
      },
    };
  }

  restore({ tensors, values }: RuleState): void {
    type Place = { pass: number; index: number };
    const saved = values as { lower: number; upper: number; lowerBatches: Place; upperBatches: Place };
    this.options.lower.restore(saved.lower, tensors);
    this.options.upper.restore(saved.upper, tensors);
    this.options.lowerBatches.restore(saved.lowerBatches);
    this.options.upperBatches.restore(saved.upperBatches);
  }
}

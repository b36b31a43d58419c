// Dynamic loss scaling, by the rule and the constants of torch.amp.GradScaler. float16 has no numbers below 6e-8 or above 65504: the loss is
// multiplied by a scale, so that small gradients do not vanish, and the gradients are divided by it in float32.
import { BidoraError } from "../../base/index.js";
import type { LossScaleState } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";

const START: LossScaleState = { scale: 65536, finiteSteps: 0 };

const GROWTH_FACTOR = 2;
const BACKOFF_FACTOR = 0.5;
/** After as many steps in a row with finite gradients the scale grows. */
const GROWTH_INTERVAL = 2000;

/** The largest power of two in float32, in which GradScaler keeps its scale. */
const LARGEST = 2 ** 127;

/** A step whose gradients overflowed because of their scale; the next one has a lower scale. */
export class GradientOverflow extends Error {}

export class LossScale {
  #state = START;

  /** The factor on the next step's loss. */
  get scale(): number {
    return this.#state.scale;
  }

  get state(): LossScaleState {
    return this.#state;
  }

  restore(state: LossScaleState): void {
    this.#state = state;
  }

  /** Adapts the scale after a step. @param areFinite whether all its gradients are; otherwise it is skipped */
  update(areFinite: boolean): void {
    const { scale, finiteSteps } = this.#state;
    if (!areFinite) this.#state = { scale: scale * BACKOFF_FACTOR, finiteSteps: 0 };
    else if (finiteSteps + 1 < GROWTH_INTERVAL) this.#state = { scale, finiteSteps: finiteSteps + 1 };
    else this.#state = { scale: Math.min(scale * GROWTH_FACTOR, LARGEST), finiteSteps: 0 };
  }

  /**
   * Halves the scale if gradients are not finite.
   * @param check throws `LOSS_NOT_FINITE` for them
   * @throws GradientOverflow in its place, if a lower scale may help: at a scale of 1 or less, it is the gradients that are too large
   */
  guard<T>(check: () => T): T {
    try {
      return check();
    } catch (error) {
      if (!(error instanceof BidoraError && error.code === "LOSS_NOT_FINITE")) throw error;
      const { scale } = this;
      this.update(false);
      throw scale > 1 ? new GradientOverflow(error.message) : error;
    }
  }
}

/** Losses are float32, so that a scaled one does not overflow. */
export function scaled(loss: torch.Tensor, scale = 1): torch.Tensor {
  return scale === 1 ? loss : torch.mulScalar(loss, scale);
}

/** The gradients of a loss from those of the scaled one. */
export function unscaled(gradients: readonly torch.Tensor[], scale = 1): readonly torch.Tensor[] {
  return scale === 1 ? gradients : torch.noGrad(() => torch.foreachMulScalar(gradients, 1 / scale));
}

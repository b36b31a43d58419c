import { BidoraError } from "../../base/index.js";
import * as torch from "../../torch/index.js";
import { GradientOverflow } from "./lossScale.js";
import { SMALLER_STEPS } from "./stepGradients.js";
import type { StepReport, StepRule } from "./stepRule.js";

/** How many times steps went on with the next batches. */
interface Skips {
  /** Because the loss or a gradient was not finite. */
  readonly skipped: number;
  /** Because the loss's scale was too large for float16. */
  readonly overflows: number;
}

/**
 * Batches whose loss or gradient is not finite. By default the first one ends the run. Otherwise a step goes on with the next batches in
 * the order of the data, up to a number of times in the whole run. After an overflow of scaled gradients a step always goes on.
 */
export class NonFiniteBatches {
  #skips: Skips = { skipped: 0, overflows: 0 };

  /** @param most how many times a step may go on, apart from overflows; 0 to end at the first */
  constructor(readonly most = 0) {}

  /** How many times the steps so far went on. */
  get total(): number {
    return this.#skips.skipped + this.#skips.overflows;
  }

  /** What a checkpoint keeps of it: the numbers that are not zero. */
  get state(): Partial<Skips> {
    const { skipped, overflows } = this.#skips;
    return { ...(skipped > 0 && { skipped }), ...(overflows > 0 && { overflows }) };
  }

  /** Takes over the numbers of earlier sessions. */
  restore({ skipped = 0, overflows = 0 }: { readonly [key in keyof Skips]?: number | undefined }): void {
    this.#skips = { skipped, overflows };
  }

  /** Does one step of a rule. @throws BidoraError `LOSS_NOT_FINITE` for one batch too many */
  step(rule: StepRule): StepReport {
    let skips = this.#skips;
    for (;;) {
      try {
        const report = torch.scope(() => rule.step());
        const before = this.total;
        this.#skips = skips;
        return this.total === before ? report : { ...report, skipped: this.total - before };
      } catch (error) {
        skips = this.#after(error, skips);
      }
    }
  }

  /** @throws the error of a step that does not go on */
  #after(error: unknown, { skipped, overflows }: Skips): Skips {
    if (error instanceof GradientOverflow) return { skipped, overflows: overflows + 1 };
    if (!(error instanceof BidoraError && error.code === "LOSS_NOT_FINITE")) throw error;
    if (skipped >= this.most) throw this.#tooMany(error);
    return { skipped: skipped + 1, overflows };
  }

  #tooMany(error: BidoraError): BidoraError {
    if (this.most === 0) return error;
    const advice = `${SMALLER_STEPS}; --max-skipped ${this.most} batches were skipped before`;
    return new BidoraError(error.code, { ...error.parts, advice }, { cause: error });
  }
}

import { BidoraError } from "../common/errors.js";
import * as torch from "../torch/index.js";
import type { StepReport, StepRule } from "./stepRule.js";

/**
 * Batches whose loss or gradient is not finite. By default the first one ends the run. Otherwise a step goes on with the next batches in
 * the order of the data, up to a number of times in the whole run.
 */
export class NonFiniteBatches {
  #skipped = 0;

  /** @param most how many times a step may go on; 0 to end at the first */
  constructor(readonly most = 0) {}

  /** How many times the steps so far went on. */
  get skipped(): number {
    return this.#skipped;
  }

  /** Takes over the number of earlier sessions. */
  restore(skipped: number): void {
    this.#skipped = skipped;
  }

  /** Does one step of a rule. @throws BidoraError `LOSS_NOT_FINITE` for one batch too many */
  step(rule: StepRule): StepReport {
    for (let skipped = 0; ; skipped++) {
      try {
        const report = torch.scope(() => rule.step());
        this.#skipped += skipped;
        return skipped === 0 ? report : { ...report, skipped };
      } catch (error) {
        if (!(error instanceof BidoraError && error.code === "LOSS_NOT_FINITE")) throw error;
        if (this.#skipped + skipped >= this.most) throw this.#tooMany(error);
      }
    }
  }

  #tooMany(error: BidoraError): BidoraError {
    if (this.most === 0) return error;
    const message = error.message.replace(/, or skip such batches .*$/, "");
    return new BidoraError(error.code, `${message}; --max-skipped ${this.most} batches were skipped before.`, {
      cause: error,
    });
  }
}

/** The sums of a pass so far. */
interface PassState {
  readonly sum: number;
  readonly weight: number;
}

const NOTHING: PassState = { sum: 0, weight: 0 };

/** The mean loss of each pass over some rows, accumulated step by step. */
export class PassMean {
  #state = NOTHING;

  get state(): PassState {
    return this.#state;
  }

  restore(state: PassState): void {
    this.#state = state;
  }

  /**
   * Adds a step's loss.
   * @param weight the number of rows, or of labeled tokens, in the step's loss
   * @param endsPass whether the step took the last batch of a pass; all its batches then count in that pass
   * @returns the mean loss at the end of a pass; undefined before, and for a pass without a loss
   */
  add(loss: number, weight: number, endsPass: boolean): number | undefined {
    const { sum, weight: total } = this.#state;
    const all = { sum: sum + loss * weight, weight: total + weight };
    this.#state = endsPass ? NOTHING : all;
    return endsPass && all.weight > 0 ? all.sum / all.weight : undefined;
  }
}

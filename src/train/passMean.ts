/** What a pass has come to so far. */
export interface PassState {
  readonly sum: number;
  readonly weight: number;
}

const NOTHING: PassState = { sum: 0, weight: 0 };

/** The mean loss of each pass over some rows, gathered step by step. */
export class PassMean {
  #state = NOTHING;

  get state(): PassState {
    return this.#state;
  }

  restore(state: PassState): void {
    this.#state = state;
  }

  /**
   * A step's loss, as it was when the step was taken.
   * @param weight how much bears loss in the step: rows, or labelled tokens
   * @param endsPass the step took the last batch of a pass; what it took beyond that counts with it
   * @returns at a pass's end the mean over all that bore loss in it; undefined before, and where nothing did
   */
  add(loss: number, weight: number, endsPass: boolean): number | undefined {
    const { sum, weight: total } = this.#state;
    const all = { sum: sum + loss * weight, weight: total + weight };
    this.#state = endsPass ? NOTHING : all;
    return endsPass && all.weight > 0 ? all.sum / all.weight : undefined;
  }
}

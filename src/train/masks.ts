import { DrawnMasks, type ForwardContext } from "../nn/index.js";
import type { Generator } from "../torch/index.js";

/** The run's dropout masks, which can be drawn again: two passes that are compared must see the same ones. */
export class ReplayableMasks {
  readonly #masks: DrawnMasks;

  constructor(readonly generator: Generator) {
    this.#masks = new DrawnMasks(generator);
  }

  training(differentiateTwice = false): ForwardContext {
    return { masks: this.#masks, differentiateTwice };
  }

  /** The place in the sequence of random numbers. */
  mark(): Uint8Array {
    return this.generator.getState();
  }

  /** Runs `body` from an earlier place, and goes on from the present one. */
  replay<T>(mark: Uint8Array, body: () => T): T {
    const present = this.generator.getState();
    this.generator.setState(mark);
    try {
      return body();
    } finally {
      this.generator.setState(present);
    }
  }
}

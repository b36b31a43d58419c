import { type ForwardContext, SeededMasks } from "../nn/index.js";
import * as torch from "../torch/index.js";

/** Seeds are whole numbers that a double holds. */
const SEEDS = Number.MAX_SAFE_INTEGER;

/** The run's dropout masks, which can be drawn again: two passes that are compared must see the same ones. */
export class ReplayableMasks {
  constructor(
    readonly generator: torch.Generator,
    private readonly options: Pick<ForwardContext, "gradientCheckpointing"> = {},
  ) {}

  /** The context of one forward pass, whose masks follow from one number of the generator. */
  training(): ForwardContext {
    return { ...this.options, masks: new SeededMasks(this.#drawSeed()) };
  }

  #drawSeed(): number {
    const { generator } = this;
    return torch.scope(() => torch.randint(SEEDS, [1], { generator, dtype: "int64" }).item());
  }

  /** How far the random numbers have been drawn. */
  mark(): Uint8Array {
    return this.generator.getState();
  }

  /** Runs `body` with the numbers drawn after an earlier mark, and goes on from the present one. */
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

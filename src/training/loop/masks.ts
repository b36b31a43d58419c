import { type ForwardContext, type OwnPart, SeededMasks } from "../../models/nn/index.js";
import type { Task } from "../../tasks/index.js";
import * as torch from "../../torch/index.js";
import { type BatchShare, ownPartOf } from "../ranks/shares.js";

/** Seeds are whole numbers that a double holds. */
const SEEDS = Number.MAX_SAFE_INTEGER;

/** The run's dropout masks, which can be replayed: two passes that are compared must use the same masks. */
export class ReplayableMasks {
  constructor(
    readonly generator: torch.Generator,
    private readonly options: Pick<ForwardContext, "gradientCheckpointing"> = {},
  ) {}

  /**
   * The context of one forward pass; one random number, the same on all ranks, seeds its masks.
   * @param own what this rank has of the whole batch; by default all of it
   */
  training(own?: OwnPart): ForwardContext {
    return { ...this.options, masks: new SeededMasks(this.#drawSeed(), own) };
  }

  /** The contexts of a task's training passes. */
  contextOf(task: Task): (share: BatchShare) => ForwardContext {
    if (task.trainsWithoutDropout) return () => ({ ...this.options, masks: undefined });
    return (share) => this.training(ownPartOf(task, share));
  }

  #drawSeed(): number {
    const { generator } = this;
    return torch.scope(() => torch.randint(SEEDS, [1], { generator, dtype: "int64" }).item());
  }

  /** The position in the random numbers. */
  mark(): Uint8Array {
    return this.generator.getState();
  }

  /** Runs `body` with the random numbers after an earlier mark, then restores the current position. */
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

import type { TrainedTensor } from "../adapters/index.js";
import * as torch from "../torch/index.js";
import type { RunHandle, RunObserver } from "./observer.js";
import type { RuleState } from "./stepRule.js";
import { putBack } from "./trained.js";

type Copies = Map<string, torch.Tensor>;

/**
 * The state after the newest step and all that followed from it, for the case that the next one fails half-way. A step of one
 * level fails before it changes a tensor, so that the positions in the data and in the random numbers are enough; a search has moved
 * the directions by then, and is kept in full.
 */
export class LastGood implements RunObserver {
  readonly #copies: Copies = new Map();
  #values: RuleState["values"] | undefined;
  #random: Uint8Array | undefined;
  #versions: readonly number[] = [];
  #run: RunHandle | undefined;

  constructor(
    readonly trained: readonly TrainedTensor[],
    readonly generator: torch.Generator,
  ) {}

  on(...[event, run]: Parameters<RunObserver["on"]>): void {
    if (event.event !== "step" || !run) return;
    const { tensors, values } = run.rule.save();
    this.#run = undefined;
    this.#values = values;
    this.#random = this.generator.getState();
    this.#versions = this.#versionsNow();
    if (run.phase === "search")
      this.#copy([...this.trained.map(({ name, tensor }) => [name, tensor] as const), ...tensors]);
    this.#run = run;
  }

  #copy(tensors: Iterable<readonly [string, torch.Tensor]>): void {
    torch.noGrad(() => {
      for (const [name, tensor] of tensors) {
        const copy = this.#copies.get(name);
        if (copy) torch.copy_(copy, tensor);
        else this.#copies.set(name, torch.keep(torch.clone(tensor)));
      }
    });
  }

  #versionsNow(): number[] {
    return this.trained.map(({ tensor }) => tensor.version);
  }

  /**
   * Puts the run back to where its newest step left it.
   * @returns that step's handle; undefined before the first, and where tensors were changed that are not kept
   */
  restore(): RunHandle | undefined {
    const run = this.#run;
    if (!run || !this.#random || !this.#values) return undefined;
    const isCopied = run.phase === "search";
    if (isCopied) putBack(this.trained, this.#copies);
    else if (this.#versionsNow().some((version, i) => version !== this.#versions[i])) return undefined;
    run.rule.restore({ tensors: isCopied ? this.#copies : run.rule.save().tensors, values: this.#values });
    this.generator.setState(this.#random);
    return run;
  }
}

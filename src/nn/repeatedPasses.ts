import * as torch from "../torch/index.js";

/** The most passes to keep. */
const MOST_PASSES = 16;

/** Passes that are recorded when they come for the second time, and repeated from then on. */
export class RepeatedPasses {
  /** By key: one that was computed once is "new", and one that can't be repeated is "fixed". */
  readonly #passes = new Map<string, torch.RecordedPass | "new" | "fixed">();

  /**
   * @param key of passes that make the same operator calls
   * @param inputs the tensors that differ between them
   */
  run(key: string, inputs: readonly torch.Tensor[], body: () => torch.Tensor): torch.Tensor {
    const known = this.#passes.get(key);
    if (known === undefined) {
      this.#add(key, "new");
      return body();
    }
    if (known === "fixed") return body();
    const repeated = known === "new" ? undefined : known.run(inputs);
    return repeated ?? this.#record(key, inputs, body);
  }

  #record(key: string, inputs: readonly torch.Tensor[], body: () => torch.Tensor): torch.Tensor {
    const { output, pass } = torch.recordPass(inputs, body);
    this.#add(key, pass ?? "fixed");
    return output;
  }

  #add(key: string, pass: torch.RecordedPass | "new" | "fixed"): void {
    const before = this.#passes.get(key);
    if (before instanceof torch.RecordedPass) before.dispose();
    else if (before === undefined && this.#passes.size === MOST_PASSES) this.dispose();
    this.#passes.set(key, pass);
  }

  /** Forgets all passes. */
  dispose(): void {
    for (const pass of this.#passes.values()) if (pass instanceof torch.RecordedPass) pass.dispose();
    this.#passes.clear();
  }
}

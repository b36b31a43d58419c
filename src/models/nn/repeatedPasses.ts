import * as torch from "../../torch/index.js";
import { changesOfModels } from "./module.js";

/** The most passes to keep. */
const MOST_PASSES = 16;

/** Passes that are recorded when they come for the second time, and repeated from then on. */
export class RepeatedPasses {
  /** By key: "new" after a pass was computed once. */
  readonly #passes = new Map<string, torch.RecordedPass | "new" | "unrepeatable">();
  #changes = changesOfModels();

  /**
   * Computes a pass. Those that were recorded before a model changed are forgotten.
   * @param key of passes that make the same operator calls
   * @param inputs the tensors that differ between them
   */
  run(key: string, inputs: readonly torch.Tensor[], body: () => torch.Tensor): torch.Tensor {
    if (this.#changes !== changesOfModels()) this.dispose();
    this.#changes = changesOfModels();
    const known = this.#passes.get(key);
    if (known === "unrepeatable") return body();
    if (known === "new") return this.#record(key, inputs, body);
    const repeated = known?.run(inputs);
    if (repeated) return repeated;
    this.#add(key, "new");
    return body();
  }

  #record(key: string, inputs: readonly torch.Tensor[], body: () => torch.Tensor): torch.Tensor {
    const { output, pass } = torch.recordPass(inputs, body);
    this.#add(key, pass ?? "unrepeatable");
    return output;
  }

  #add(key: string, pass: torch.RecordedPass | "new" | "unrepeatable"): void {
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

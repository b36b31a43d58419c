import type { AdaptedModel } from "../../../src/adapters/index.js";
import { lowRankOf } from "../../../src/adapters/index.js";
import type { ModelInput, TaskModel } from "../../../src/models/index.js";
import { Dropout, type MaskSource } from "../../../src/nn/index.js";
import * as torch from "../../../src/torch/index.js";
import { get, type Tensors } from "../goldenFiles.js";

/** Gives each dropout the mask that a golden file recorded for its path; a second call of the same one, the second mask. */
export class RecordedMasks implements MaskSource {
  readonly #paths = new Map<Dropout, string>();
  readonly #calls = new Map<string, number>();

  constructor(
    model: TaskModel,
    adapted: AdaptedModel,
    private readonly golden: Tensors,
    private readonly input: ModelInput,
  ) {
    for (const [path, module] of model.namedModules()) if (module instanceof Dropout) this.#paths.set(module, path);
    for (const module of adapted.modules) this.#paths.set(lowRankOf(module).dropout, `${module.path}.lora_dropout`);
  }

  mask(dropout: Dropout, shape: readonly number[], dtype: torch.DType): torch.Tensor {
    const path = this.#paths.get(dropout)!;
    const call = this.#calls.get(path) ?? 0;
    this.#calls.set(path, call + 1);
    const kept = torch.to(get(this.golden, `mask.${path}${call > 0 ? `#${call}` : ""}`), dtype);
    const scaled = torch.divScalar(kept, 1 - dropout.p);
    return kept.shape.length === 3 ? this.#flat(scaled, shape[0]!) : scaled;
  }

  /** How many masks were asked for. */
  get used(): number {
    return [...this.#calls.values()].reduce((sum, calls) => sum + calls, 0);
  }

  /** [rows, length, width] → the real tokens, or each row's first. */
  #flat(mask: torch.Tensor, tokens: number): torch.Tensor {
    const { layout, ids } = this.input;
    const all = torch.flatten(mask, 0, 1);
    const flat = layout.scatter ? torch.indexSelect(all, 0, layout.scatter) : all;
    return tokens === ids.numel ? flat : torch.indexSelect(flat, 0, layout.first);
  }
}

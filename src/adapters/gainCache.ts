import * as torch from "../torch/index.js";

/** Keeps one tensor until one that it was computed from is replaced or changes in place. */
export class GainCache {
  #value: torch.Tensor | undefined;
  #sources: readonly (readonly [torch.Tensor, number])[] = [];

  get(sources: readonly torch.Tensor[], compute: () => torch.Tensor): torch.Tensor {
    const isFresh = sources.every(
      (source, i) => source === this.#sources[i]?.[0] && source.version === this.#sources[i]?.[1],
    );
    if (!this.#value || !isFresh) {
      this.#value?.dispose();
      this.#value = torch.keep(torch.noGrad(() => torch.scope(compute)));
      this.#sources = sources.map((source) => [source, source.version]);
    }
    return this.#value;
  }
}

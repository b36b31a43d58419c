import * as torch from "../torch/index.js";

type Sources = readonly torch.Tensor[];

/** A tensor that is kept until one that it was computed from is replaced or changes in place. */
export class DerivedTensor {
  #value: torch.Tensor | undefined;
  #sources: readonly (readonly [source: torch.Tensor, version: number])[] = [];

  /** The tensor that was computed last, as long as it is that of these. */
  find(sources: Sources): torch.Tensor | undefined {
    const isFresh = sources.every(
      (source, i) => source === this.#sources[i]?.[0] && source.version === this.#sources[i]?.[1],
    );
    return isFresh ? this.#value : undefined;
  }

  /** Computes it anew, unrecorded, and releases the one before. */
  make(sources: Sources, compute: () => torch.Tensor): torch.Tensor {
    this.#value?.dispose();
    this.#value = torch.keep(torch.noGrad(() => torch.scope(compute)));
    this.#sources = sources.map((source) => [source, source.version]);
    return this.#value;
  }
}

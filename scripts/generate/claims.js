// The pairs of methods that the studies of record were planned to compare.

/** @type {Record<string, readonly (readonly [string, string])[]>} */
export const CLAIMS = {
  base: [
    ["dora-matched", "bidora"],
    ["dora-matched", "bidora-in"],
    ["dora", "bidora"],
    ["dora-800", "bidora"],
    ["lora", "bidora"],
    ["dora+es", "bidora"],
  ],
  decay: [
    ["lora", "decay"],
    ["lora+es", "decay"],
    ["grid", "decay"],
    ["grid", "decay-equal"],
  ],
  sources: [32, 64].flatMap((rows) =>
    ["pooled", "trusted", "then", "agreement"].map(
      (other) => /** @type {const} */ ([`${other}-${rows}`, `sources-${rows}`]),
    ),
  ),
  shift: [
    ["magnitudes-after", "magnitudes"],
    ["scales-after", "scales"],
    ["lora-b-after", "lora-b"],
    ["head-after", "head"],
  ],
};

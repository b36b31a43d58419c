import type { AdaptedModel } from "./adapted.js";

/**
 * Where gradients take ‖V‖ as a constant, differences must too: holds every such norm at its present value until the
 * returned function is called.
 */
export function holdNorms(adapted: AdaptedModel): () => void {
  const releases = adapted.modules.map(({ adapter, layer }) => adapter.holdNorm(layer));
  return () => {
    for (const release of releases) release();
  };
}

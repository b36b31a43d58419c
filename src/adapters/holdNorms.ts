import type { AdaptedModel } from "./adapted.js";
import { DoraLinear } from "./dora.js";
import { DoraEmbedding } from "./embedding.js";

/**
 * Where gradients take ‖V‖ as a constant, differences must too: holds every such norm at its present value until the
 * returned function is called.
 */
export function holdNorms(adapted: AdaptedModel): () => void {
  const releases = adapted.modules.map((module) => {
    if (module.kind === "linear")
      return module.adapter instanceof DoraLinear ? module.adapter.holdNorm(module.layer) : undefined;
    return module.adapter instanceof DoraEmbedding ? module.adapter.holdNorm(module.layer) : undefined;
  });
  return () => {
    for (const release of releases) release?.();
  };
}

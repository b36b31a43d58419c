import type { TrainingHooks } from "../adapters/index.js";
import type { Tensor } from "../torch/index.js";

/** What an adapter method's hooks remember, as a checkpoint calls it. */
export function hookMemory(hooks: TrainingHooks | undefined): Map<string, Tensor> {
  return new Map(Array.from(hooks?.memory ?? [], ([name, tensor]) => [`hooks.${name}`, tensor]));
}

// The learning rates of a level's tensors, where not all have the same.

import { UsageError } from "../../base/index.js";
import {
  type AdaptedModel,
  isInGroup,
  isLowRankEmbedding,
  isRaisedByLoraPlus,
  type TrainedTensor,
} from "../../models/adapters/index.js";
import type { RunConfig } from "../../tasks/config/index.js";

/** LoRA+'s rate of both matrices of an embedding in PEFT (`loraplus_lr_embedding`). */
const OF_EMBEDDINGS = 1e-6;

type RateSettings = Pick<RunConfig, "loraplusRatio" | "headLearningRate">;

/** The adapted modules, and the modules of the head, by their paths. */
interface Places {
  readonly adapted: AdaptedModel;
  readonly headModules: readonly string[];
}

/**
 * The peak learning rate of each tensor in a level whose own is `learningRate`; undefined if all have this one.
 *
 * LoRA+ (arXiv 2402.12354) as PEFT's `create_loraplus_optimizer`: B and magnitudes take the rate times the ratio. The head keeps its own,
 * its bias too.
 */
export function ratesOf(
  { loraplusRatio, headLearningRate }: RateSettings,
  learningRate: number,
  places: Places,
): ((tensor: TrainedTensor) => number) | undefined {
  if (loraplusRatio === 1 && headLearningRate === undefined) return undefined;
  return (tensor) => {
    if (isInGroup("head", tensor, places)) return headLearningRate ?? learningRate;
    if (loraplusRatio === 1) return learningRate;
    if (isLowRankEmbedding(tensor)) return Math.min(OF_EMBEDDINGS, learningRate);
    return isRaisedByLoraPlus(tensor) ? loraplusRatio * learningRate : learningRate;
  };
}

/** @throws UsageError for a learning rate of the head where nothing of a head is trained */
export function checkHeadRate({ headLearningRate }: RateSettings, places: Places): void {
  if (headLearningRate === undefined) return;
  if (places.adapted.trained.some((tensor) => isInGroup("head", tensor, places))) return;
  throw new UsageError(
    "No effect: --head-learning-rate is the rate of a head, and this run trains none; leave it out.",
  );
}

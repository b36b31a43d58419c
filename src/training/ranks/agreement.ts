import { createHash } from "node:crypto";
import { BidoraError } from "../../base/index.js";
import type { TrainedTensor } from "../../models/adapters/index.js";
import type { Ranks } from "../../torch/index.js";

/** After how many steps the ranks compare their trained tensors; they also do at the end of a phase. */
export const STEPS_BETWEEN = 100;

/**
 * Checks that the ranks still have the same trained tensors, to the bit. All ranks must ask.
 * @throws BidoraError `RANKS_DIFFER` on all of them
 */
export function checkAgreement(ranks: Ranks, trained: readonly TrainedTensor[]): void {
  if (ranks.size === 1) return;
  const hash = createHash("sha1");
  for (const { parameter } of trained) hash.update(parameter.tensor.bytes());
  const [first, ...others] = ranks.gather(hash.digest("hex"));
  const other = others.findIndex((found) => found !== first);
  if (other < 0) return;
  throw new BidoraError(
    "RANKS_DIFFER",
    `Rank ${other + 1} no longer has the same trained tensors as rank 0: their machines compute differently, or one is faulty. With different processors, set BIDORA_CPU to an ISA variant that all of them have, then continue from the last checkpoint with --resume.`,
  );
}

// A rank that ends before the others do.
import { expect, test, vi } from "vitest";
import { asRank } from "../../../src/torch/distributed/failures.js";
import { ALONE, type Ranks } from "../../../src/torch/distributed/ranks.js";

test("that was interrupted does not wait for rank 0 to print its error", async () => {
  vi.stubEnv("BIDORA_LAUNCHED", "here");
  const isAnnounced = vi.fn(() => false);
  const ranks: Ranks = { ...ALONE, rank: 1, size: 2, isAnnounced };
  const interrupted = AbortSignal.abort();
  await expect(asRank(ranks, async () => interrupted.throwIfAborted())).rejects.toThrow(interrupted.reason);
  expect(isAnnounced).not.toHaveBeenCalled();
});

// A rank that fails tells the others, so that all end, and so that what all would print on one terminal is printed once.
import { setTimeout as sleep } from "node:timers/promises";
import { showElsewhere } from "../../base/index.js";
import { RankLost } from "./failures.js";
import { isLaunched } from "./launched.js";
import type { Ranks } from "./processGroup.js";

/** Milliseconds that rank 0, which may serve the store, waits before it leaves, so that the others read what it says. */
const READING = 1000;

/** Milliseconds that another rank on the same terminal waits for rank 0 to say that it prints the same error, and between two looks. */
const LISTENING = 3000;
const PAUSE = 50;

async function tellOthers(ranks: Ranks, error: Error): Promise<void> {
  const isLost = error instanceof RankLost;
  if (!isLost) ranks.fail(error);
  else if (error.failure) ranks.announce(error);
  else return; // the connection is gone: each says so
  if (ranks.rank === 0) await sleep(READING);
  else if (error.name !== "AbortError" && (await isShownByFirst(ranks, error))) showElsewhere(error);
}

async function isShownByFirst(ranks: Ranks, error: Error): Promise<boolean> {
  const until = performance.now() + (isLaunched() ? LISTENING : 0);
  for (;;) {
    if (ranks.isAnnounced(error)) return true;
    if (performance.now() >= until) return false;
    await sleep(PAUSE);
  }
}

/** Runs `body` as one of the ranks, and leaves them. If it fails here alone, the others end with its message. */
export async function asRank<T>(ranks: Ranks, body: () => Promise<T>): Promise<T> {
  try {
    return await body();
  } catch (error) {
    if (ranks.size > 1) await tellOthers(ranks, error as Error);
    throw error;
  } finally {
    ranks.leave();
  }
}

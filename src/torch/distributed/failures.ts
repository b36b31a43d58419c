// A rank that fails tells the others, so that all end, and so that what all would print on one terminal is printed once.
import { setTimeout as sleep } from "node:timers/promises";
import { BidoraError, showElsewhere } from "../../base/index.js";
import { isLaunched } from "./launched.js";
import type { Ranks } from "./ranks.js";

/** Why a rank ended, as it tells the others. */
export interface Failure {
  readonly rank: number;
  readonly message: string;
  readonly exitStatus: BidoraError["exitStatus"];
}

export const failureOf = (rank: number, error: Error): Failure => ({
  rank,
  message: error.message,
  exitStatus: error instanceof BidoraError ? error.exitStatus : 1,
});

/** A rank has ended, or does not answer. */
export class RankLost extends BidoraError {
  override readonly exitStatus: BidoraError["exitStatus"];

  /** @param reason of the broken connection @param failure what the other rank has said, if it has said why it ended */
  constructor(
    reason: string,
    readonly failure: Failure | undefined,
    options?: ErrorOptions,
  ) {
    super("RANK_LOST", failure ? `Rank ${failure.rank} ended: ${failure.message}` : whyLost(reason), options);
    this.exitStatus = failure?.exitStatus ?? 1;
  }
}

const whyLost = (reason: string): string =>
  /timed? ?out/i.test(reason)
    ? "A rank was lost: another one did not answer within --timeout."
    : "A rank was lost: the connection to another one broke.";

/** The sentence that is the same on all ranks: the one of the rank that failed first, without what others put around it. */
export const coreOf = (error: Error): string =>
  error instanceof RankLost && error.failure ? error.failure.message : (error.message.split("\n")[0] ?? "");

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

// What ranks tell each other about their failures.
import { BidoraError } from "../../base/index.js";

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

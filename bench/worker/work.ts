import type { Facts } from "../turns/protocol.js";

/** One count of `run`. */
export type Work = () => void | Promise<void>;

export interface Prepared {
  readonly work: Work;
  /** Facts to report besides the machine's. */
  readonly facts?: Facts;
}

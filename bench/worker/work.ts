import type { Facts } from "../protocol.js";

/** One count of `run`. */
export type Work = () => void | Promise<void>;

export interface Prepared {
  readonly work: Work;
  /** What there is to say of it beside the machine's facts. */
  readonly facts?: Facts;
}

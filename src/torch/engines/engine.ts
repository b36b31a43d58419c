import type { BidoraError } from "../../common/errors.js";

/** A place where libtorch and an addon for it may be. */
export interface Engine {
  readonly source: "LIBTORCH" | "platform package" | "setup";
  /** The folder with the addon. */
  readonly folder: string;
  /** The version of libtorch, if known. */
  readonly libtorch: string | undefined;
  /** Size of libtorch and the addon, if both are there. */
  readonly bytes: number | undefined;
  /** Why it can't be used; undefined if it can. */
  readonly problem: BidoraError | undefined;
}

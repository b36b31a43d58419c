import { BidoraError } from "../../common/errors.js";
import type { Ended } from "./jobs.js";
import { nameOf } from "./progress.js";

/** Runs that are named beside the first. */
const NAMED = 3;

/** What is said at the end of a comparison of which some runs failed or were stopped: why the first did, and which others. */
export function failure(failed: readonly Ended[], all: number): BidoraError {
  const [{ cell, message }, ...others] = failed as [Ended, ...Ended[]];
  const why = message?.replace(/^bidora: /, "");
  const what = failed.every(({ status }) => status === "stopped") ? "were stopped" : "failed";
  return new BidoraError(
    "COMPARISON",
    `${failed.length} of ${all} runs ${what}; ${failed.length < all ? "the others are kept, and " : ""}the same command goes on with what is missing. ${nameOf(cell)}: ${why}${alsoFailed(others)}`,
  );
}

function alsoFailed(others: readonly Ended[]): string {
  if (others.length === 0) return "";
  const named = others.slice(0, NAMED).map(({ cell }) => nameOf(cell));
  const more = others.length - named.length;
  return ` So did ${named.join(", ")}${more > 0 ? ` and ${more} more` : ""}.`;
}

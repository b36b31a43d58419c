import { BidoraError, UsageError } from "../../base/index.js";
import type { Estimate } from "./measureRun.js";

/** An error that is sent from one process to another. */
interface SerializedError {
  /** Undefined for an unexpected error. */
  readonly code: string | undefined;
  readonly message: string;
  readonly stack: string | undefined;
}

/** A message of the measuring process: notes for the user, and finally the estimate or an error. */
export type ProcessMessage =
  | { readonly note: string }
  | { readonly estimate: Estimate }
  | { readonly error: SerializedError };

export function serializeError(error: unknown): SerializedError {
  const { message, stack } = error instanceof Error ? error : new Error(String(error));
  return { code: error instanceof BidoraError ? error.code : undefined, message, stack };
}

/** Restores the error. */
export function deserializeError({ code, message, stack }: SerializedError): Error {
  const error = code === undefined ? new Error(message) : known(code, message);
  if (stack !== undefined) error.stack = stack;
  return error;
}

const known = (code: string, message: string): BidoraError =>
  code === "USAGE" ? new UsageError(message) : new BidoraError(code, message);

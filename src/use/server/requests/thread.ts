/** What runs in the thread that reads large bodies, an entry of its own of the bundle. */
import { parentPort } from "node:worker_threads";
import { ApiError } from "../apiError.js";
import { NESTED, type RequestKind, readRequest } from "./readers.js";

export interface BodyToRead {
  readonly kind: RequestKind;
  readonly bytes: ArrayBuffer;
}

/** The request that a body has, or what is wrong with it: what an `ApiError` is made of. */
export type Outcome = { readonly request: unknown } | { readonly refusal: ConstructorParameters<typeof ApiError> };

parentPort?.on("message", ({ kind, bytes }: BodyToRead) => {
  const outcome = outcomeOf(kind, bytes);
  try {
    parentPort?.postMessage(outcome);
  } catch {
    // It has more levels than can be sent from one thread to another.
    parentPort?.postMessage({ refusal: [400, NESTED] } satisfies Outcome);
  }
});

function outcomeOf(kind: RequestKind, bytes: ArrayBuffer): Outcome {
  try {
    return { request: readRequest(kind, bytes) };
  } catch (error) {
    if (error instanceof ApiError) return { refusal: [error.status, error.message, error.details] };
    throw error;
  }
}

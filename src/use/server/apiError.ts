/** Errors of requests, in the shape that OpenAI's clients read. */
import type { ContentfulStatusCode } from "hono/utils/http-status";
import { BidoraError } from "../../base/index.js";

interface Details {
  /** A word that programs can test for. */
  readonly code?: string;
  /** The parameter of the request that is at fault. */
  readonly param?: string | undefined;
}

/** The `type` that OpenAI gives errors of a status; any other is `invalid_request_error`. */
const TYPES: Readonly<Record<number, string>> = { 429: "rate_limit_error", 500: "server_error", 503: "server_error" };

/** A request that is not answered. */
export class ApiError extends Error {
  override readonly name = "ApiError";

  constructor(
    readonly status: ContentfulStatusCode,
    message: string,
    readonly details: Details = {},
  ) {
    super(message);
  }

  /** The body of the response: `{"error": {"message", "type", "param", "code"}}`. */
  get body() {
    const { code = null, param = null } = this.details;
    const type = TYPES[this.status] ?? "invalid_request_error";
    return { error: { message: this.message, type, param, code } };
  }
}

/** A request that asks for something that cannot be. */
export const invalid = (message: string, param?: string, code?: string): ApiError =>
  new ApiError(400, message, { param, ...(code && { code }) });

/** Errors that are the model's, not the request's. */
const OWN_FAULT = /NOT_FINITE$|^MEMORY$|^FILE_CHANGED$/;

/** The parameters that cause errors. */
const PARAMS = new Map([
  ["JSON_SCHEMA", "response_format"],
  ["XGRAMMAR_MISSING", "response_format"],
  ["TOOLS", "tools"],
  ["STOP", "stop"],
]);

/** Whether an error is to be reported to who runs the server. */
export const isOwnFault = (error: unknown): boolean => !(error instanceof ApiError) && toApiError(error).status >= 500;

/** Any error as one of a request. The message of an error in bidora itself is not sent. */
export function toApiError(error: unknown): ApiError {
  if (error instanceof ApiError) return error;
  if (!(error instanceof BidoraError)) return new ApiError(500, "The server failed to answer; its log has the reason.");
  if (OWN_FAULT.test(error.code)) return new ApiError(500, error.message);
  return invalid(error.message, PARAMS.get(error.code));
}

import { aFunction, aNumber, anObject, aSwitch, aText, optional, options, signal } from "../../common/arguments.js";
import type { HubOptions } from "./snapshot.js";

/** What the calls take that ask the Hub. */
export const hubOptions = options({
  revision: optional(aText),
  offline: optional(aSwitch),
  token: optional(aText),
  environment: optional(anObject),
  timeoutMs: optional(aNumber),
  retryDelayMs: optional(aNumber),
  signal,
  onProgress: optional(aFunction),
  onNote: optional(aFunction),
} satisfies Record<keyof HubOptions, unknown>);

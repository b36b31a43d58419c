import type { RunConfig } from "./options.js";

/** Where an option, or one word of it, has an effect. */
export interface Acts {
  /** Completes the sentence "--xi acts only …". */
  readonly only: string;
  in(run: Deciding): boolean;
}

/** The settings on which it can depend whether others have an effect: all of a run's. */
export type Deciding = Omit<RunConfig, "given" | "sources">;

/** Where a setting of another call has an effect, by what that call is. */
export interface Condition<Call> extends Pick<Acts, "only"> {
  in(call: Call): boolean;
}

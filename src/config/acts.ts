import type { Method } from "./methods.js";

/** The settings on which it depends whether others have an effect. */
export interface Deciding {
  readonly method: Method;
  readonly task?: string | undefined;
  readonly data?: string | undefined;
  readonly train?: string | undefined;
  readonly validation?: string | undefined;
  readonly test?: string | undefined;
  readonly hypergradient: string;
  readonly retrainSteps?: number | undefined;
  readonly retrainEpochs?: number | undefined;
  readonly saveEvery?: number | undefined;
}

/** Where an option has an effect. */
export interface Acts {
  /** Completes the sentence "--xi acts only …". */
  readonly only: string;
  in(run: Deciding): boolean;
}

import { refuse } from "./fault.js";

/** So many steps a template may take: far more than the longest conversation needs, done in seconds. */
const MOST_STEPS = 2_000_000;

/** Counts what a template does, so that none goes on for ever. */
export class Steps {
  private taken = 0;

  take(steps: number): void {
    this.taken += steps;
    if (this.taken > MOST_STEPS) refuse(`it takes more than ${MOST_STEPS} steps`);
  }
}

/** What stops a template: errors, and the limits on the work and the text of one rendering. */

/**
 * A template that cannot be parsed, or cannot be rendered as Jinja would. The message is a clause without a capital or a full stop, so
 * that it can end a sentence: `unknown filter "pprint"`.
 */
export class TemplateError extends Error {
  override readonly name = "TemplateError";
}

export function refuse(reason: string): never {
  throw new TemplateError(reason);
}

/** Far more steps than the longest conversation needs; they take a few seconds. */
const MAX_STEPS = 2_000_000;

/** Counts the steps of one rendering, so that no template runs forever. */
export class StepBudget {
  private taken = 0;

  take(steps: number): void {
    this.taken += steps;
    if (this.taken > MAX_STEPS) refuse(`it takes more than ${MAX_STEPS} steps`);
  }
}

// Facts about a run that training, reports and analysis share.

/** What a run goes through: `train` for the methods with one level; `search` and `retrain` for BiDoRA. */
export const PHASES = ["train", "search", "retrain"] as const;

/** The name of a phase. */
export type Phase = (typeof PHASES)[number];

/**
 * Whether a run with these settings is stopped early by its validation rows, and ends with its best there: where it holds training rows
 * out, these decide in their place.
 */
export const stopsByValidation = (settings: Readonly<Record<string, unknown>>): boolean =>
  (settings.earlyStopping ?? null) !== null && (settings.holdoutFraction ?? null) === null;

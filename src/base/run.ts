// Facts about a run that training, reports and analysis share.

/** The phases of a run: `train` for single-level methods; `search` and `retrain` for BiDoRA. */
export const PHASES = ["train", "search", "retrain"] as const;

/** The name of a phase. */
export type Phase = (typeof PHASES)[number];

/**
 * Whether validation rows decide when a run with these settings stops early and which checkpoint it ends with. If it holds out
 * training rows, those decide instead.
 */
export const stopsByValidation = (settings: Readonly<Record<string, unknown>>): boolean =>
  (settings.earlyStopping ?? null) !== null && (settings.holdoutFraction ?? null) === null;

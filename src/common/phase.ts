/** What a run goes through: `train` for the methods with one level; `search` and `retrain` for BiDoRA. */
export const PHASES = ["train", "search", "retrain"] as const;

/** The name of a phase. */
export type Phase = (typeof PHASES)[number];

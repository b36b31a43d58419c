/** The factor left at a share 0 … 1 of the way from the end of the warm-up. */
type Decay = (progress: number) => number;

/** The schedules by name, as the share of the rate that is left on the way from the end of the warm-up, 0, to the end, 1. */
export const SCHEDULES = {
  /** A straight line to 0. */
  linear: (progress) => Math.max(0, 1 - progress),
  /** Half a cosine wave to 0. */
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
  /** The full rate to the end. */
  constant: () => 1,
} satisfies Record<string, Decay>;

/** The name of a schedule. */
export type ScheduleName = keyof typeof SCHEDULES;

/**
 * The factor on the learning rate at step t = 0 … total − 1, as transformers' schedules: `t / W` in the warm-up of
 * W = ceil(warmupRatio · total) steps, so that a warm-up's first step has rate 0, then the named decay.
 */
export function scheduleFactor(name: ScheduleName, t: number, total: number, warmupRatio: number): number {
  const warmup = Math.ceil(warmupRatio * total);
  if (t < warmup) return t / warmup;
  const decay: Decay = SCHEDULES[name];
  return decay((t - warmup) / Math.max(1, total - warmup));
}

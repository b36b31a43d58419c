/** The factor left at a share 0 … 1 of the way from the end of the warm-up. */
type Decay = (progress: number) => number;

export const SCHEDULES = {
  linear: (progress) => Math.max(0, 1 - progress),
  cosine: (progress) => 0.5 * (1 + Math.cos(Math.PI * progress)),
  constant: () => 1,
} satisfies Record<string, Decay>;

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

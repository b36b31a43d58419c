export type ScheduleName = "linear" | "cosine" | "constant";

/**
 * The factor on the learning rate at step t = 0 … total − 1, as transformers' schedules: `t / W` in the warm-up of
 * W = ceil(warmupRatio · total) steps, so that a warm-up's first step has rate 0, then the named decay.
 */
export function scheduleFactor(name: ScheduleName, t: number, total: number, warmupRatio: number): number {
  const warmup = Math.ceil(warmupRatio * total);
  if (t < warmup) return t / warmup;
  const progress = (t - warmup) / Math.max(1, total - warmup);
  switch (name) {
    case "linear":
      return Math.max(0, 1 - progress);
    case "cosine":
      return 0.5 * (1 + Math.cos(Math.PI * progress));
    case "constant":
      return 1;
  }
}

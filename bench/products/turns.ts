import * as torch from "../../src/torch/index.js";

/** How long calls are timed. */
export interface Patience {
  /** Turns of each call, at least. */
  readonly turns: number;
  /** More turns are taken until so many seconds have passed. */
  readonly seconds: number;
}

/** One timing takes at least so long, in as many calls as that needs. */
const SHORTEST = 1e-3;

/**
 * The least seconds of each call, all in turns. Results are released at once, as a step releases what it has used, so that each
 * call finds the memory of the one before.
 */
export function leastSeconds(calls: readonly (() => unknown)[], { turns, seconds }: Patience): number[] {
  return torch.noGrad(() => {
    const counts = calls.map((call) => Math.max(1, Math.ceil(SHORTEST / warmSeconds(call))));
    const least = calls.map(() => Infinity);
    const began = performance.now();
    for (let turn = 0; turn < turns || performance.now() - began < seconds * 1000; turn++)
      for (const [i, call] of calls.entries()) least[i] = Math.min(least[i] as number, warmSeconds(call, counts[i]));
    return least;
  });
}

/** After an untimed call, which brings the weight into the caches (the first of all allocates, and chooses its kernel). */
function warmSeconds(call: () => unknown, count = 1): number {
  secondsOf(call, 1);
  return secondsOf(call, count);
}

function secondsOf(call: () => unknown, count: number): number {
  const began = performance.now();
  for (let i = 0; i < count; i++) releaseResult(call);
  return (performance.now() - began) / 1000 / count;
}

/** A scope would hand out what its function returns. */
export function releaseResult(call: () => unknown): void {
  torch.scope(() => void call());
}

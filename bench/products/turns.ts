import * as torch from "../../src/torch/index.js";
import type { Clock } from "../compare.js";

/** How long calls are timed, and by which clock. */
export interface Patience {
  /** Turns of each call, at least. */
  readonly turns: number;
  /** More turns are taken until so many seconds have passed. */
  readonly seconds: number;
  readonly clock: Clock;
}

/** One timing takes at least so long, in as many calls as that needs. */
const SHORTEST = 1e-3;

/** A call that takes so long hardly notices whether its weight is in the caches. */
const LONG = 20e-3;

/**
 * The least seconds of each call, all in turns. Results are released at once, as a step releases what it has used, so that each
 * call finds the memory of the one before.
 */
export function leastSeconds(calls: readonly (() => unknown)[], { turns, seconds, clock }: Patience): number[] {
  return torch.noGrad(() => {
    const stopwatches = calls.map((call) => new Stopwatch(call, clock));
    const began = performance.now();
    for (let turn = 0; turn < turns || performance.now() - began < seconds * 1000; turn++)
      for (const stopwatch of stopwatches) stopwatch.run();
    return stopwatches.map(({ least }) => least);
  });
}

class Stopwatch {
  least = Infinity;
  readonly #warm: number;

  constructor(
    readonly call: () => unknown,
    readonly clock: Clock,
  ) {
    this.#seconds(1); // allocates, and chooses the kernel
    this.#warm = this.#seconds(1);
  }

  /** Times the call once more, with its weight in the caches. */
  run(): void {
    if (this.#warm < LONG) this.#seconds(1);
    this.least = Math.min(this.least, this.#seconds(Math.max(1, Math.ceil(SHORTEST / this.#warm))));
  }

  /** Of one call, the mean of `count`. */
  #seconds(count: number): number {
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < count; i++) releaseResult(this.call);
    const { user, system } = process.cpuUsage(cpu);
    return (this.clock === "cpu" ? (user + system) / 1e6 : (performance.now() - began) / 1000) / count;
  }
}

/** A scope would hand out what its function returns. */
export function releaseResult(call: () => unknown): void {
  torch.scope(() => void call());
}

import * as torch from "../../src/torch/index.js";
import type { Clock } from "../turns/compare.js";

/** How long to time calls, and by which clock. */
export interface TimingOptions {
  /** The minimum number of turns per call. */
  readonly turns: number;
  /** Turns continue until this many seconds have passed. */
  readonly seconds: number;
  readonly clock: Clock;
}

/** The shortest timing in seconds; short calls are repeated to reach it. */
const SHORTEST = 1e-3;

/** For calls that take this many seconds, it hardly matters whether the weight is in the caches. */
const LONG = 20e-3;

/**
 * The minimum seconds of each call, measured in turns. Results are released immediately, as in a training step, so that each call
 * reuses the memory of the one before.
 */
export function leastSeconds(calls: readonly (() => unknown)[], { turns, seconds, clock }: TimingOptions): number[] {
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
    this.#seconds(1); // allocates memory and selects the kernel
    this.#warm = this.#seconds(1);
  }

  /** Times the call once more, with its weight in the caches. */
  run(): void {
    if (this.#warm < LONG) this.#seconds(1);
    this.least = Math.min(this.least, this.#seconds(Math.max(1, Math.ceil(SHORTEST / this.#warm))));
  }

  /** The mean time of a call over `count` calls. */
  #seconds(count: number): number {
    const [began, cpu] = [performance.now(), process.cpuUsage()];
    for (let i = 0; i < count; i++) releaseResult(this.call);
    const { user, system } = process.cpuUsage(cpu);
    return (this.clock === "cpu" ? (user + system) / 1e6 : (performance.now() - began) / 1000) / count;
  }
}

/** Returns nothing from the scope, as a scope keeps the tensors that its function returns. */
export function releaseResult(call: () => unknown): void {
  torch.scope(() => void call());
}

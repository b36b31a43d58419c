import type { Facts, Memory, Spec } from "./protocol.js";
import { type Program, startWorker, type WorkerProcess } from "./workerProcess.js";

/** One side of a comparison: a program and its task. */
export interface Side {
  readonly program: Program;
  readonly spec: Spec;
}

export interface Measured {
  /** Seconds per count, the median of each round. */
  readonly rounds: readonly number[];
  readonly memory: Memory;
  readonly facts: Facts;
}

export interface Effort {
  /** Number of rounds; in each, every side takes one turn. */
  readonly rounds: number;
  /** Counts per turn. */
  readonly counts: number;
  readonly clock: Clock;
  /** Untimed counts before the first turn. */
  readonly warmUps?: number;
}

/** `wall` is what a user waits for. `cpu`, with one thread, is meaningful even on a busy machine. */
export type Clock = "wall" | "cpu";

/** Runs the sides in turns, so that any disturbance of the machine affects all of them. */
export async function compare<Sides extends Readonly<Record<string, Side>>>(
  sides: Sides,
  { rounds, counts, clock, warmUps = 2 }: Effort,
): Promise<{ readonly [Name in keyof Sides]: Measured }> {
  const running = new Map<string, Running>();
  try {
    for (const [name, side] of Object.entries(sides))
      running.set(name, { ...(await startWorker(side, warmUps)), seconds: [] });
    for (let round = 0; round < rounds; round++) {
      for (const { worker, seconds } of running.values()) {
        const timed = await worker.ask({ command: "run", count: counts });
        seconds.push(median(clock === "cpu" ? timed.cpuSeconds : timed.seconds));
      }
    }
    const measured = new Map<string, Measured>();
    for (const [name, { worker, seconds, facts }] of running) {
      measured.set(name, { rounds: seconds, facts, memory: await worker.ask({ command: "memory" }) });
    }
    return Object.fromEntries(measured) as { [Name in keyof Sides]: Measured };
  } finally {
    await Promise.all([...running.values()].map(({ worker }) => worker.end()));
  }
}

interface Running {
  readonly worker: WorkerProcess;
  readonly facts: Facts;
  readonly seconds: number[];
}

export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const middle = sorted.length >> 1;
  if (sorted.length === 0) throw new RangeError("An empty list has no median.");
  return sorted.length % 2
    ? (sorted[middle] as number)
    : ((sorted[middle - 1] as number) + (sorted[middle] as number)) / 2;
}

export interface Ratio {
  /** Median over the rounds of numerator / denominator in the same round. */
  readonly median: number;
  readonly low: number;
  readonly high: number;
}

export function ratio(numerator: Measured, denominator: Measured): Ratio {
  return ratioBy(numerator, denominator, (a, b) => a / b);
}

/** Applies `of` to both sides' seconds in each round, and summarizes the results as a ratio. */
export function ratioBy(one: Measured, other: Measured, of: (one: number, other: number) => number): Ratio {
  const ratios = one.rounds.map((seconds, round) => of(seconds, other.rounds[round] as number));
  return { median: median(ratios), low: Math.min(...ratios), high: Math.max(...ratios) };
}

/** The side with the shortest median time. */
export function faster(...sides: readonly [Measured, ...Measured[]]): Measured {
  return sides.reduce((best, side) => (median(side.rounds) < median(best.rounds) ? side : best));
}

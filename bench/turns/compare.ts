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
  effort: Effort,
): Promise<{ readonly [Name in keyof Sides]: Measured }> {
  const turns = await takeTurns(sides, effort, (_, error) => {
    throw error;
  });
  return Object.fromEntries(turns.map(([name, turn]) => [name, measured(turn, median)])) as {
    [Name in keyof Sides]: Measured;
  };
}

/** As `compare`, but a side that fails is left out: the others, and the errors of those that failed. */
export async function compareWorking<Name extends string>(
  sides: Readonly<Record<Name, Side>>,
  effort: Effort,
): Promise<{
  readonly working: { readonly [N in Name]?: Measured };
  readonly failed: { readonly [N in Name]?: Error };
}> {
  const failed = new Map<string, Error>();
  const turns = await takeTurns(sides, effort, (name, error) => void failed.set(name, error));
  const working = turns.map(([name, turn]) => [name, measured(turn, median)]);
  return { working: Object.fromEntries(working), failed: Object.fromEntries(failed) } as Awaited<
    ReturnType<typeof compareWorking<Name>>
  >;
}

/** As `compare`, for sides whose counts are `parts` things in turn: each side's figures of every thing. */
export async function compareParts<Name extends string>(
  sides: Readonly<Record<Name, Side>>,
  effort: Omit<Effort, "counts">,
  parts: number,
): Promise<Readonly<Record<Name, readonly Measured[]>>> {
  const turns = await takeTurns(sides, { ...effort, counts: parts, warmUps: parts }, (_, error) => {
    throw error;
  });
  const figures = (turn: Turns) =>
    Array.from({ length: parts }, (_, part) => measured(turn, (seconds) => seconds[part] as number));
  return Object.fromEntries(turns.map(([name, turn]) => [name, figures(turn)])) as Record<Name, Measured[]>;
}

/** Seconds of each count, by round. */
interface Turns extends Omit<Measured, "rounds"> {
  readonly seconds: readonly (readonly number[])[];
}

const measured = ({ seconds, ...others }: Turns, of: (seconds: readonly number[]) => number): Measured => ({
  ...others,
  rounds: seconds.map(of),
});

async function takeTurns(
  sides: Readonly<Record<string, Side>>,
  { rounds, counts, clock, warmUps = 2 }: Effort,
  onFailure: (name: string, error: Error) => void,
): Promise<(readonly [name: string, Turns])[]> {
  const running = new Map<string, Running>();
  const drop = async (name: string, error: Error) => {
    onFailure(name, error);
    await running.get(name)?.worker.end();
    running.delete(name);
  };
  try {
    for (const [name, side] of Object.entries(sides)) {
      const started = await startWorker(side, warmUps).catch((error: Error) => drop(name, error));
      if (started) running.set(name, { ...started, seconds: [] });
    }
    for (let round = 0; round < rounds; round++) {
      for (const [name, { worker, seconds }] of [...running]) {
        const timed = await worker.ask({ command: "run", count: counts }).catch((error: Error) => drop(name, error));
        if (timed) seconds.push(clock === "cpu" ? timed.cpuSeconds : timed.seconds);
      }
    }
    const turns: [string, Turns][] = [];
    for (const [name, { worker, seconds, facts }] of running)
      turns.push([name, { seconds, facts, memory: await worker.ask({ command: "memory" }) }]);
    return turns;
  } finally {
    await Promise.all([...running.values()].map(({ worker }) => worker.end()));
  }
}

interface Running {
  readonly worker: WorkerProcess;
  readonly facts: Facts;
  readonly seconds: (readonly number[])[];
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

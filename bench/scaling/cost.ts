// What a step of N ranks takes.

/** The measured constants. */
export interface Constants {
  /** Seconds that one rank computes in a step. */
  readonly seconds: number;
  /** The standard deviation of these seconds among ranks, relative to their mean: batches have different numbers of tokens. */
  readonly spread: number;
  /** Bytes of the gradients that a step sums: 4 for each trained parameter. */
  readonly bytes: number;
  /** Seconds until a message arrives, however small. */
  readonly latency: number;
  /** Bytes per second that a machine can send. */
  readonly bandwidth: number;
}

export interface StepCost {
  readonly compute: number;
  /** Waiting for the slowest rank. */
  readonly waiting: number;
  readonly sum: number;
  /** The share of the time in which ranks compute. */
  readonly efficiency: number;
}

/**
 * A step is the slowest rank's computation, then one sum of all gradients, which does not overlap with it.
 * Ranks' times are taken as normally distributed: the slowest of N is later than the mean by the expected maximum of N normal variables.
 */
export function stepCost(ranks: number, constants: Constants): StepCost {
  const { seconds, spread } = constants;
  const waiting = seconds * spread * expectedMaximum(ranks);
  const sum = sumSeconds(ranks, constants);
  return { compute: seconds, waiting, sum, efficiency: seconds / (seconds + waiting + sum) };
}

/** Bytes of a TCP packet on Ethernet, relative to the data in it. */
const PACKET = 1514 / 1448;

/**
 * The ring all-reduce of Gloo: in 2(N − 1) rounds each rank sends a part of N to its neighbor, 2(N − 1)/N of the bytes in all
 * (Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms, 2009), and the packets' headers.
 */
export function sumSeconds(
  ranks: number,
  { bytes, bandwidth, latency }: Omit<Constants, "seconds" | "spread">,
): number {
  return (2 * (ranks - 1) * bytes * PACKET) / (ranks * bandwidth) + 2 * (ranks - 1) * latency;
}

/** The expected maximum of n standard normal variables: ∫ x d(Φ(x)ⁿ), by the trapezoidal rule. */
export function expectedMaximum(n: number): number {
  const [from, to, step] = [-10, 10, 1e-3];
  let [sum, phi] = [0, 0];
  for (let x = from; x < to; x += step) {
    const next = phi + (step * Math.exp(-((x + step / 2) ** 2) / 2)) / Math.sqrt(2 * Math.PI);
    sum += (x + step / 2) * (next ** n - phi ** n);
    phi = next;
  }
  return sum;
}

// What a step of N ranks takes.

/** The measured constants. */
export interface Constants {
  /** Seconds that one rank computes in a step. */
  readonly seconds: number;
  /** The standard deviation of these seconds among ranks, relative to their mean: batches have different numbers of tokens. */
  readonly spread: number;
  /** Bytes of the gradients that a step sums: 4 for each trained parameter. */
  readonly bytes: number;
  /** Bytes of the gradients that a backward pass computes last, which are sent together: those of the embeddings; 25 MiB by default. */
  readonly lastBytes?: number;
  /** Seconds until a message arrives, however small. */
  readonly latency: number;
  /** Bytes per second that a machine can send. */
  readonly bandwidth: number;
}

export interface StepCost {
  readonly compute: number;
  /** Waiting for the slowest rank. */
  readonly waiting: number;
  /** The part of the sum that does not overlap with the computation. */
  readonly sum: number;
  /** The share of the time in which ranks compute. */
  readonly efficiency: number;
}

/** The most bytes that are sent together. A sum of more begins while the backward pass goes on. */
const BUCKET = 25 * 2 ** 20;
/** The backward pass's share of a step's computation. */
const BACKWARD = 2 / 3;

/**
 * A step is the slowest rank's computation and one sum of all gradients. Its first bucket begins once its part of the backward pass is
 * done; the last one is added up after it.
 * Ranks' times are taken as normally distributed: the slowest of N is later than the mean by the expected maximum of N normal variables.
 */
export function stepCost(ranks: number, constants: Constants): StepCost {
  const { seconds, spread } = constants;
  const waiting = seconds * spread * expectedMaximum(ranks);
  const sum = exposedSum(ranks, constants);
  return { compute: seconds, waiting, sum, efficiency: seconds / (seconds + waiting + sum) };
}

function exposedSum(ranks: number, constants: Constants): number {
  const { seconds, bytes, lastBytes = BUCKET } = constants;
  const whole = sumSeconds(ranks, constants);
  if (bytes <= BUCKET) return whole;
  const last = sumSeconds(ranks, { ...constants, bytes: lastBytes });
  return Math.max(last, whole - BACKWARD * seconds * (1 - BUCKET / bytes));
}

/** Bytes of a TCP packet on Ethernet, relative to the data in it. */
const PACKET = 1514 / 1448;

/**
 * The ring all-reduce of Gloo: in 2(N − 1) rounds each rank sends a part of N to its neighbor, 2(N − 1)/N of the bytes in all
 * (Patarasuk and Yuan, Bandwidth optimal all-reduce algorithms, 2009), and the packets' headers.
 */
export function sumSeconds(
  ranks: number,
  { bytes, bandwidth, latency }: Omit<Constants, "seconds" | "spread" | "lastBytes">,
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

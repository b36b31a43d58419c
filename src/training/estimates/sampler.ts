import { setImmediate as nextTurn } from "node:timers/promises";
import { median, sum } from "d3-array";
import type { RunMemory } from "../../torch/devices/index.js";
import { reduced, tokensByBatch, tokensOfWork, turningShare, type Work } from "./dryRun.js";

/** The cost of one kind of work, estimated from a sample. */
export interface Sampled {
  /** Seconds as a function of tokens. */
  readonly line: Line;
  /** The mean of the measured times relative to the line. */
  readonly overLine: number;
  /** The number of whole pieces that were measured; 0 if the heaviest could not be done. */
  readonly count: number;
  /** Tokens of the heaviest piece, and of the part of it that was measured. */
  readonly heaviest: number;
  readonly reached: number;
  /** Bytes that the heaviest piece needs beyond the peak so far. */
  readonly bytesBeyond: number;
  /** Seconds of one-time work in the first piece. */
  readonly once: number;
}

interface SamplerOptions {
  /** The pieces to sample from, which include the heaviest. */
  readonly works: readonly Work[];
  /** Does one piece. @returns its seconds */
  readonly run: (work: Work) => number | Promise<number>;
  /** When to start no more pieces, and when all must have ended, in the process's milliseconds. */
  readonly until: number;
  readonly deadline: number;
  readonly memory: RunMemory;
  readonly signal?: AbortSignal | undefined;
}

/** The factor between the tokens of successive parts of the heaviest piece, and the smallest factor that is worth another part. */
const GROWTH = 8;
const LEAST_GROWTH = 1.5;
/** The share of the remaining time and memory that the next part may be expected to use. */
const CAUTION = 0.8;
/** Milliseconds for a second part even if the time is over, since a line needs two points. */
const LEAST_TIME = 3000;
/** The largest number of whole pieces to measure, and the number that is measured even after `until`. */
const MOST = 64;
const LEAST = 4;

interface Measured extends Timed {
  /** The tokens that determine the memory. */
  readonly load: number;
  /** The peak memory during it. */
  readonly peak: number;
}

/**
 * Measures the heaviest piece, after smaller parts of it that show whether time and memory suffice, then others that are evenly spread by
 * their tokens, and the heaviest again: as in a run, the others leave fragmented memory that it can't use. If time or memory do not
 * suffice, both are extrapolated linearly from the parts.
 */
export async function sampleWork(options: SamplerOptions): Promise<Sampled> {
  const heaviest = options.works.reduce((most, work) => (loadOf(work) > loadOf(most) ? work : most));
  const first = await measure(reduced(heaviest, 0), options);
  const parts = await climb(heaviest, first, options);
  const top = parts.at(-1)!;
  const once = Math.max(0, first.seconds - parts[0]!.seconds);
  const sizes = { heaviest: tokensOfWork(heaviest), reached: top.tokens, once };
  if (sizes.reached < sizes.heaviest) return { ...extrapolate(heaviest, parts, options.memory), ...sizes };
  const others = await sampleOthers(heaviest, top.seconds, options);
  const whole = [top, ...others, ...(others.length > 0 ? [await measure(heaviest, options)] : [])];
  const line = fitLine(whole.length > 1 ? whole : parts.slice(-2));
  return { line, overLine: meanOverLine(line, whole), count: 1 + others.length, bytesBeyond: 0, ...sizes };
}

/**
 * Measures increasing parts of a piece, as far as time and memory allow, up to the whole. The smallest part is measured again, because the
 * one-time work of the first measurement would make it seem slow.
 */
async function climb(heaviest: Work, first: Measured, options: SamplerOptions): Promise<Measured[]> {
  const parts = [growthByTime([first], options) < 1 ? first : await measure(reduced(heaviest, 0), options)];
  for (;;) {
    const last = parts.at(-1)!;
    const wanted = tokensOfWork(heaviest) / last.tokens;
    // A last part that is hardly larger than the one before would give no new information.
    const most = wanted < GROWTH * LEAST_GROWTH ? wanted : GROWTH;
    const growth = Math.min(most, growthByTime(parts, options), growthByMemory(parts, options));
    const next = notBeyondTurn(heaviest, Math.min(1, growth / wanted), last);
    if (growth < Math.min(wanted, LEAST_GROWTH) || tokensOfWork(next) <= last.tokens) return parts;
    parts.push(await measure(next, options));
  }
}

/** A share of a piece, limited to the turning share if that is between it and the last part: both must be on the same side for a line. */
function notBeyondTurn(heaviest: Work, share: number, last: Measured): Work {
  const [next, turn] = [reduced(heaviest, share), reduced(heaviest, turningShare(heaviest))];
  const isBetween = last.tokens < tokensOfWork(turn) && tokensOfWork(turn) < tokensOfWork(next);
  return isBetween ? turn : next;
}

/** Assumes that time grows at most linearly with the tokens. */
function growthByTime(parts: readonly Measured[], { deadline }: SamplerOptions): number {
  const { seconds } = parts.at(-1)!;
  const left = Math.max(deadline - performance.now(), parts.length === 1 ? LEAST_TIME : 0);
  return (CAUTION * left) / (1000 * seconds);
}

function growthByMemory(parts: readonly Measured[], { memory }: SamplerOptions): number {
  const last = parts.at(-1)!;
  const slope = bytesPerToken(parts);
  return slope > 0 ? 1 + (CAUTION * memory.free()) / (slope * last.load) : GROWTH * LEAST_GROWTH;
}

/** The slope between the last two parts; 0 with only one, whose memory includes one-time allocations, and if only batches were added. */
function bytesPerToken(parts: readonly Measured[]): number {
  const [before, last] = parts.slice(-2);
  if (!before || !last || last.load <= before.load) return 0;
  return Math.max(0, (last.peak - before.peak) / (last.load - before.load));
}

function extrapolate(
  heaviest: Work,
  parts: readonly Measured[],
  memory: RunMemory,
): Pick<Sampled, "line" | "overLine" | "count" | "bytesBeyond"> {
  const last = parts.at(-1)!;
  const peak = last.peak + bytesPerToken(parts) * (loadOf(heaviest) - last.load);
  const bytesBeyond = Math.max(0, peak - memory.peak());
  return { line: fitLine(parts.slice(-2)), overLine: 1, count: 0, bytesBeyond };
}

/** Measures as many other pieces as there is time for, with one more measurement of the heaviest. */
async function sampleOthers(heaviest: Work, seconds: number, options: SamplerOptions): Promise<Measured[]> {
  const { works, until, deadline } = options;
  const others = works.filter((work) => work !== heaviest).sort((a, b) => tokensOfWork(a) - tokensOfWork(b));
  const measured: Measured[] = [];
  for (const at of evenlySpread(others.length, MOST)) {
    const now = performance.now();
    const end = measured.length + 1 < LEAST ? deadline : until;
    if (now + 2000 * seconds > end) break;
    measured.push(await measure(others[at]!, options));
  }
  return measured;
}

async function measure(work: Work, { run, memory, signal }: SamplerOptions): Promise<Measured> {
  signal?.throwIfAborted();
  memory.restartPeak();
  const seconds = await run(work);
  await nextTurn();
  return { tokens: tokensOfWork(work), seconds, load: loadOf(work), peak: memory.peakSinceRestart() };
}

/** The tokens that determine the memory: those of the largest batch, or of all batches if several gradients depend on each other. */
const loadOf = (work: Work): number =>
  work.length > 1 ? tokensOfWork(work) : tokensByBatch(work).reduce((most, tokens) => Math.max(most, tokens), 0);

/** The measured time of a piece of work. */
interface Timed {
  readonly tokens: number;
  readonly seconds: number;
}

/** Time as a linear function of tokens. */
interface Line {
  readonly base: number;
  readonly perToken: number;
}

/**
 * Fits a line by the median of the slopes between any two measurements (the Theil–Sen estimator), so that an outlier hardly moves it.
 * Neither its base nor its slope is negative.
 */
export function fitLine(measured: readonly Timed[]): Line {
  const slopes = measured.flatMap((a, i) =>
    measured
      .slice(i + 1)
      .filter((b) => b.tokens !== a.tokens)
      .map((b) => (b.seconds - a.seconds) / (b.tokens - a.tokens)),
  );
  const perToken = Math.max(0, median(slopes) ?? 0);
  const base = median(measured, ({ tokens, seconds }) => seconds - perToken * tokens) ?? 0;
  if (base >= 0 && slopes.length > 0) return { base, perToken };
  // If all have the same number of tokens, the base is unknown.
  return { base: 0, perToken: median(measured, ({ tokens, seconds }) => seconds / Math.max(1, tokens)) ?? 0 };
}

export const secondsAt = ({ base, perToken }: Line, tokens: number): number => base + perToken * tokens;

/** The measured time in total relative to the line's, which is above 1 if the mean of the times is above their median. */
export function meanOverLine(line: Line, measured: readonly Timed[]): number {
  const expected = sum(measured, ({ tokens }) => secondsAt(line, tokens));
  return expected > 0 ? sum(measured, ({ seconds }) => seconds) / expected : 1;
}

/** Distinct numbers below `count`, of which any first few are evenly spread: the middle, the quarters, the eighths, … */
export function evenlySpread(count: number, most: number): number[] {
  const found = new Set<number>();
  for (let i = 1; found.size < Math.min(count, most); i++) found.add(Math.floor(vanDerCorput(i) * count));
  return [...found];
}

/** The van der Corput sequence in base 2: the binary digits of `index`, reversed, after the point. */
function vanDerCorput(index: number): number {
  let [value, digit] = [0, 0.5];
  for (let rest = index; rest > 0; rest >>= 1, digit /= 2) value += (rest & 1) * digit;
  return value;
}

import { setImmediate as nextTurn } from "node:timers/promises";
import { median, sum } from "d3-array";
import { reduced, tokensByBatch, tokensOfWork, turningShare, type Work } from "../../train/dryRun.js";
import { peakMemoryBytes, peakSinceRestart, restartPeak } from "../../train/machine.js";

/** What work of one kind takes, by some of it. */
export interface Sampled {
  /** Seconds over tokens. */
  readonly line: Line;
  /** How much longer than that it takes in the mean. */
  readonly overLine: number;
  /** Whole pieces that were done; 0 where not even the heaviest could be. */
  readonly count: number;
  /** Tokens of the heaviest piece, and of what was done of it. */
  readonly heaviest: number;
  readonly reached: number;
  /** Bytes that the heaviest piece is going to take beyond the process's peak so far. */
  readonly bytesBeyond: number;
  /** Seconds that the first piece takes beyond any other, for what is made but once. */
  readonly once: number;
}

export interface SamplerOptions {
  /** Pieces to choose from, the heaviest among them. */
  readonly works: readonly Work[];
  /** Does one. @returns the seconds that it took */
  readonly run: (work: Work) => number | Promise<number>;
  /** Until when more is measured, and when all must have ended: in the process's milliseconds. */
  readonly until: number;
  readonly deadline: number;
  /** Bytes that may still be taken. */
  readonly room: () => number;
  readonly signal?: AbortSignal | undefined;
}

/** Tokens from one piece to the next while it is not known what the heaviest takes; less than so many more are not worth it. */
const GROWTH = 8;
const LEAST_GROWTH = 1.5;
/** What the next piece may be expected to take of the time and the memory that are left. */
const CAUTION = 0.8;
/** Milliseconds that there are for a second part, though time is over: one part alone says nothing of a line. */
const LEAST_TIME = 3000;
/** Whole pieces that are measured at most, and those that are even when `until` is over. */
const MOST = 64;
const LEAST = 4;

interface Measured extends Timed {
  /** Tokens that decide about memory. */
  readonly load: number;
  /** The process's peak while it was done. */
  readonly peak: number;
}

/**
 * Does the heaviest piece, after smaller parts of it that show whether there are time and memory for it, then others that lie evenly
 * by their tokens, and the heaviest again: what others have left is in pieces that it can't take, as in a run. Where time or memory
 * are not enough, both are taken to go on from the parts in a straight line.
 */
export async function sampleWork(options: SamplerOptions): Promise<Sampled> {
  const heaviest = options.works.reduce((most, work) => (loadOf(work) > loadOf(most) ? work : most));
  const first = await measure(reduced(heaviest, 0), options);
  const parts = await climb(heaviest, first, options);
  const top = parts.at(-1) as Measured;
  const once = Math.max(0, first.seconds - (parts[0] as Measured).seconds);
  const sizes = { heaviest: tokensOfWork(heaviest), reached: top.tokens, once };
  if (sizes.reached < sizes.heaviest) return { ...extrapolate(heaviest, parts), ...sizes };
  const others = await sampleOthers(heaviest, top.seconds, options);
  const whole = [top, ...others, ...(others.length > 0 ? [await measure(heaviest, options)] : [])];
  const line = fitLine(whole.length > 1 ? whole : parts.slice(-2));
  return { line, overLine: meanOverLine(line, whole), count: 1 + others.length, bytesBeyond: 0, ...sizes };
}

/**
 * Larger and larger parts of a piece, as far as time and memory allow; the last one is the whole where they do. The smallest is done
 * again: what is loaded and made in the first piece of all would make it seem slow, and larger ones cheap beside it.
 */
async function climb(heaviest: Work, first: Measured, options: SamplerOptions): Promise<Measured[]> {
  const parts = [growthByTime([first], options) < 1 ? first : await measure(reduced(heaviest, 0), options)];
  for (;;) {
    const last = parts.at(-1) as Measured;
    const wanted = tokensOfWork(heaviest) / last.tokens;
    // A last step that is hardly larger than the one before would tell nothing new.
    const most = wanted < GROWTH * LEAST_GROWTH ? wanted : GROWTH;
    const growth = Math.min(most, growthByTime(parts, options), growthByMemory(parts, options));
    const next = notBeyondTurn(heaviest, Math.min(1, growth / wanted), last);
    if (growth < Math.min(wanted, LEAST_GROWTH) || tokensOfWork(next) <= last.tokens) return parts;
    parts.push(await measure(next, options));
  }
}

/** So much of a piece, or as much as lies on the same side as the part before of where batches, or rows, begin to be fewer. */
function notBeyondTurn(heaviest: Work, share: number, last: Measured): Work {
  const [next, turn] = [reduced(heaviest, share), reduced(heaviest, turningShare(heaviest))];
  const isBetween = last.tokens < tokensOfWork(turn) && tokensOfWork(turn) < tokensOfWork(next);
  return isBetween ? turn : next;
}

/** Twice the tokens take twice the time at the most. */
function growthByTime(parts: readonly Measured[], { deadline }: SamplerOptions): number {
  const { seconds } = parts.at(-1) as Measured;
  const left = Math.max(deadline - performance.now(), parts.length === 1 ? LEAST_TIME : 0);
  return (CAUTION * left) / (1000 * seconds);
}

function growthByMemory(parts: readonly Measured[], { room }: SamplerOptions): number {
  const last = parts.at(-1) as Measured;
  const slope = bytesPerToken(parts);
  return slope > 0 ? 1 + (CAUTION * room()) / (slope * last.load) : GROWTH * LEAST_GROWTH;
}

/** Between the last two; 0 while there is one, which takes memory for much that comes but once, and where only batches were added. */
function bytesPerToken(parts: readonly Measured[]): number {
  const [before, last] = parts.slice(-2);
  if (!before || !last || last.load <= before.load) return 0;
  return Math.max(0, (last.peak - before.peak) / (last.load - before.load));
}

function extrapolate(
  heaviest: Work,
  parts: readonly Measured[],
): Pick<Sampled, "line" | "overLine" | "count" | "bytesBeyond"> {
  const last = parts.at(-1) as Measured;
  const peak = last.peak + bytesPerToken(parts) * (loadOf(heaviest) - last.load);
  const bytesBeyond = Math.max(0, peak - peakMemoryBytes());
  return { line: fitLine(parts.slice(-2)), overLine: 1, count: 0, bytesBeyond };
}

/** As many as there is time for, with the heaviest once more after each. */
async function sampleOthers(heaviest: Work, seconds: number, options: SamplerOptions): Promise<Measured[]> {
  const { works, until, deadline } = options;
  const others = works.filter((work) => work !== heaviest).sort((a, b) => tokensOfWork(a) - tokensOfWork(b));
  const measured: Measured[] = [];
  for (const at of evenlySpread(others.length, MOST)) {
    const now = performance.now();
    const end = measured.length + 1 < LEAST ? deadline : until;
    if (now + 2000 * seconds > end) break;
    measured.push(await measure(others[at] as Work, options));
  }
  return measured;
}

async function measure(work: Work, { run, signal }: SamplerOptions): Promise<Measured> {
  signal?.throwIfAborted();
  restartPeak();
  const seconds = await run(work);
  await nextTurn();
  return { tokens: tokensOfWork(work), seconds, load: loadOf(work), peak: peakSinceRestart() };
}

/** Tokens that decide about memory: of the largest batch, or, where several gradients are taken on each other, of all of them. */
const loadOf = (work: Work): number =>
  work.length > 1 ? tokensOfWork(work) : tokensByBatch(work).reduce((most, tokens) => Math.max(most, tokens), 0);

/** What a piece of work took. */
export interface Timed {
  readonly tokens: number;
  readonly seconds: number;
}

/** Time as a line over the tokens. */
export interface Line {
  readonly base: number;
  readonly perToken: number;
}

/**
 * The line through what was measured, by the median of the slopes between any two (Theil and Sen's estimator), so that a
 * disturbance of the machine in one of them hardly moves it. Nothing takes less than no time, nor less with more tokens.
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
  // Where all have as many tokens, nothing tells what is there without them.
  return { base: 0, perToken: median(measured, ({ tokens, seconds }) => seconds / Math.max(1, tokens)) ?? 0 };
}

export const secondsAt = ({ base, perToken }: Line, tokens: number): number => base + perToken * tokens;

/** How much longer work took in all than its line says: the mean of times is above their median. */
export function meanOverLine(line: Line, measured: readonly Timed[]): number {
  const expected = sum(measured, ({ tokens }) => secondsAt(line, tokens));
  return expected > 0 ? sum(measured, ({ seconds }) => seconds) / expected : 1;
}

/** Some of the numbers below `count`, each once, of which any first few lie evenly: the middle, the quarters, the eighths, … */
export function evenlySpread(count: number, most: number): number[] {
  const found = new Set<number>();
  for (let i = 1; found.size < Math.min(count, most); i++) found.add(Math.floor(vanDerCorput(i) * count));
  return [...found];
}

/** The digits of `index` in base 2, turned over and put behind the point. */
function vanDerCorput(index: number): number {
  let [value, digit] = [0, 0.5];
  for (let rest = index; rest > 0; rest >>= 1, digit /= 2) value += (rest & 1) * digit;
  return value;
}

import { type EncodedExample, tokensIn } from "../../tasks/index.js";
import type { BatchSource } from "../loop/batches.js";
import { type BatchShare, shareOf } from "../ranks/shares.js";
import { BilevelRule } from "../steps/bilevelRule.js";
import { PlainRule, type StepReport, type StepRule } from "../steps/stepRule.js";

type Rows = readonly EncodedExample[];

/** The rows of one or more steps: for each gradient its batches. */
export type Work = readonly (readonly Rows[])[];

/** Does steps of a phase on chosen rows, to measure their time and memory. Tensors are trained as in the phase itself. */
export class DryRun {
  /** Its rules by the number of batches in a gradient: a bilevel rule remembers operators without tangents. */
  readonly #parts = new Map<number, Part>();
  readonly #rule: PlainRule | BilevelRule;

  /** @throws TypeError for an unknown kind of rule */
  constructor(rule: StepRule) {
    if (!(rule instanceof PlainRule || rule instanceof BilevelRule))
      throw new TypeError("This rule does not support a dry run.");
    this.#rule = rule;
  }

  /** The rows of the phase's steps, from the first step on, without end. */
  *upcoming(): Generator<Work> {
    const { gradientAccumulation: count } = this.#rule.options;
    const streams = streamsOf(this.#rule).map((stream) => stream.upcoming());
    const gradients = this.#rule instanceof BilevelRule ? this.#rule.options.unrollSteps : 1;
    const [lower, upper] = streams as [Generator<Rows>, Generator<Rows> | undefined];
    for (;;) {
      const work = Array.from({ length: gradients }, () => take(lower, count));
      yield upper ? [...work, take(upper, count)] : work;
    }
  }

  /** Does one step. All its gradients have the same number of batches. */
  step(work: Work): StepReport {
    const count = work[0]?.length as number;
    const part = this.#parts.get(count) ?? partOf(this.#rule, count);
    this.#parts.set(count, part);
    part.give(work);
    return part.rule.step();
  }
}

/** A rule that uses the given batches. */
interface Part {
  readonly rule: StepRule;
  give(work: Work): void;
}

function partOf(rule: PlainRule | BilevelRule, gradientAccumulation: number): Part {
  const { device } = rule.options.model;
  const [lower, upper] = [new GivenBatches(device), new GivenBatches(device)];
  if (rule instanceof BilevelRule) {
    const options = { ...rule.options, gradientAccumulation, lowerBatches: lower, upperBatches: upper };
    const give = (work: Work) => {
      lower.give(work.slice(0, -1).flat());
      upper.give(work.at(-1) as readonly Rows[]);
    };
    return { rule: new BilevelRule(options), give };
  }
  const options = { ...rule.options, gradientAccumulation, batches: lower };
  return { rule: new PlainRule(options), give: (work) => lower.give(work.flat()) };
}

function streamsOf(rule: PlainRule | BilevelRule): BatchSource[] {
  if (rule instanceof BilevelRule) return [rule.options.lowerBatches, rule.options.upperBatches];
  return [rule.options.batches];
}

function take(stream: Generator<Rows>, count: number): Rows[] {
  return Array.from({ length: count }, () => stream.next().value as Rows);
}

class GivenBatches implements BatchSource {
  #left: Rows[] = [];

  readonly state = { pass: 0, index: 0 };

  constructor(private readonly device: string) {}

  give(batches: readonly Rows[]): void {
    this.#left = [...batches];
  }

  next(): BatchShare {
    const rows = this.#left.shift();
    if (!rows) throw new TypeError("The step needs more batches than were given.");
    return shareOf(rows, { device: this.device });
  }

  restore(): void {}

  *upcoming(): Generator<Rows> {
    yield* this.#left;
  }
}

/** The number of tokens in each batch. */
export const tokensByBatch = (work: Work): number[] => work.flatMap((batches) => batches.map(tokensIn));

/** The number of tokens in all batches together. */
export const tokensOfWork = (work: Work): number => tokensByBatch(work).reduce((sum, tokens) => sum + tokens, 0);

/**
 * Reduces work to a share, so that time and memory extrapolate linearly; the remaining rows have the same mix of lengths. A single
 * gradient has one batch in memory at a time: it keeps fewer batches, the largest first, before the last batch loses rows. With
 * several gradients, some batches stay in memory: all batches lose rows equally before their number decreases.
 */
export function reduced(work: Work, share: number): Work {
  const [only, ...others] = work;
  if (others.length > 0) return withFewerRows(work, share);
  return only ? [withFewerBatches(only, share)] : [];
}

/** The share at which `reduced` changes from fewer batches to fewer rows, or back: extrapolation is linear on one side of it only. */
export function turningShare(work: Work): number {
  const [only, ...others] = work;
  return 1 / Math.max(1, others.length > 0 ? mostRows(work) : (only?.length ?? 0));
}

const mostRows = (work: Work): number => work.flat().reduce((most, rows) => Math.max(most, rows.length), 0);

/** All gradients have the same number of batches. */
function withFewerRows(work: Work, share: number): Work {
  const batchShare = Math.min(1, share * mostRows(work));
  return work.map((batches) => {
    const count = Math.max(1, Math.ceil(batches.length * batchShare));
    return batches.slice(0, count).map((rows) => thinned(rows, share));
  });
}

/** Tolerance for the rounding error of a share. */
const ROUNDING = 1e-9;

function withFewerBatches(batches: readonly Rows[], share: number): Rows[] {
  const count = batches.length * share + ROUNDING;
  const largestFirst = [...batches].sort((a, b) => tokensIn(b) - tokensIn(a));
  return largestFirst.slice(0, Math.max(1, Math.floor(count))).map((rows) => thinned(rows, Math.min(1, count)));
}

function thinned(rows: Rows, share: number): Rows {
  const left = rows.filter((_, i) => Math.floor((i + 1) * share) > Math.floor(i * share));
  return left.length > 0 ? left : rows.slice(0, 1);
}

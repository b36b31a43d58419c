import { type Batch, batchOf, type EncodedRow } from "../tasks/index.js";
import type { BatchSource } from "./batches.js";
import { BilevelRule } from "./bilevelRule.js";
import { PlainRule, type StepReport, type StepRule } from "./stepRule.js";

type Rows = readonly EncodedRow[];

/** The rows that a piece of work goes through: for each of its gradients the batches that it is taken of. */
export type Work = readonly (readonly Rows[])[];

/** Steps of a phase on rows of one's choice, so that what they take can be measured. Tensors are trained as in the phase itself. */
export class DryRun {
  /** Its parts by the number of batches in a gradient: a rule of two levels remembers what it has met. */
  readonly #parts = new Map<number, Part>();

  /** @throws TypeError for a rule whose batches are not known here */
  constructor(private readonly rule: StepRule) {
    if (!(rule instanceof PlainRule || rule instanceof BilevelRule))
      throw new TypeError("This rule can't be rehearsed.");
  }

  /** What the phase's steps are going to go through, from its first one on, without an end. */
  *ahead(): Generator<Work> {
    const { gradientAccumulation: count } = (this.rule as PlainRule | BilevelRule).options;
    const streams = streamsOf(this.rule).map((stream) => stream.ahead());
    const gradients = this.rule instanceof BilevelRule ? this.rule.options.unrollSteps : 1;
    const [below, above] = streams as [Generator<Rows>, Generator<Rows> | undefined];
    for (;;) {
      const lower = Array.from({ length: gradients }, () => take(below, count));
      yield above ? [...lower, take(above, count)] : lower;
    }
  }

  /** One step. All its gradients are taken of the same number of batches. */
  step(work: Work): StepReport {
    const count = work[0]?.length as number;
    const part = this.#parts.get(count) ?? partOf(this.rule, count);
    this.#parts.set(count, part);
    part.give(work);
    return part.rule.step();
  }
}

/** A rule that takes its batches from where they are put. */
interface Part {
  readonly rule: StepRule;
  give(work: Work): void;
}

function partOf(rule: StepRule, gradientAccumulation: number): Part {
  const [below, above] = [new GivenBatches(), new GivenBatches()];
  if (rule instanceof BilevelRule) {
    const options = { ...rule.options, gradientAccumulation, lowerBatches: below, upperBatches: above };
    const give = (work: Work) => {
      below.give(work.slice(0, -1).flat());
      above.give(work.at(-1) as readonly Rows[]);
    };
    return { rule: new BilevelRule(options), give };
  }
  const options = { ...(rule as PlainRule).options, gradientAccumulation, batches: below };
  return { rule: new PlainRule(options), give: (work) => below.give(work.flat()) };
}

function streamsOf(rule: StepRule): BatchSource[] {
  if (rule instanceof BilevelRule) return [rule.options.lowerBatches, rule.options.upperBatches];
  return [(rule as PlainRule).options.batches];
}

function take(stream: Generator<Rows>, count: number): Rows[] {
  return Array.from({ length: count }, () => stream.next().value as Rows);
}

class GivenBatches implements BatchSource {
  #left: Rows[] = [];

  readonly state = { pass: 0, index: 0 };

  give(batches: readonly Rows[]): void {
    this.#left = [...batches];
  }

  next(): Batch {
    const rows = this.#left.shift();
    if (!rows) throw new TypeError("More batches were asked for than were given.");
    return batchOf(rows);
  }

  restore(): void {}

  *ahead(): Generator<Rows> {
    yield* this.#left;
  }
}

/** Tokens of each batch. */
export const tokensByBatch = (work: Work): number[] => work.flatMap((batches) => batches.map(tokensOfRows));

const tokensOfRows = (rows: Rows): number => rows.reduce((sum, { inputIds }) => sum + inputIds.length, 0);

/** The tokens of all batches together. */
export const tokensOfWork = (work: Work): number => tokensByBatch(work).reduce((sum, tokens) => sum + tokens, 0);

/**
 * Less of the same, so that time and memory go on from it in a straight line; the rows that are left are as long as the others were.
 * A gradient by itself holds one batch at a time, and is taken of fewer batches, the largest first, before that one loses rows. Where
 * gradients are taken on each other, some batches are held and some are not: all of them lose rows alike, before there are fewer.
 */
export function reduced(work: Work, share: number): Work {
  const [only, ...others] = work;
  if (others.length > 0) return withFewerRows(work, share);
  return only ? [withFewerBatches(only, share)] : [];
}

/** The share at which `reduced` goes from fewer batches to fewer rows, or back: a straight line holds on one side of it. */
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

/** What a share of some batches may be off by. */
const ROUNDING = 1e-9;

function withFewerBatches(batches: readonly Rows[], share: number): Rows[] {
  const count = batches.length * share + ROUNDING;
  const largestFirst = [...batches].sort((a, b) => tokensOfRows(b) - tokensOfRows(a));
  return largestFirst.slice(0, Math.max(1, Math.floor(count))).map((rows) => thinned(rows, Math.min(1, count)));
}

function thinned(rows: Rows, share: number): Rows {
  const left = rows.filter((_, i) => Math.floor((i + 1) * share) > Math.floor(i * share));
  return left.length > 0 ? left : rows.slice(0, 1);
}

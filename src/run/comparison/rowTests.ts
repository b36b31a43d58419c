import { own } from "../../common/own.js";
import { withHolm } from "../../compare/holm.js";
import { mean } from "../../compare/moments.js";
import { differenceOf, type Resampled, resampled } from "../../compare/pairedBootstrap.js";
import type { BootstrapTest } from "../../compare/significance.js";
import type { OverRows } from "../../metrics/metric.js";
import type { JudgedRun } from "./judgedRuns.js";
import type { Judging } from "./judging.js";

/** A row as both seeds and methods have judged it: what was measured of it in each run. */
type Measured = readonly unknown[];

/**
 * The paired bootstrap of every two methods on one task, over the rows that all their runs have judged: a row is drawn with what
 * the runs of all common seeds said of it.
 * @param runs of the task
 */
export function rowTests(
  task: string,
  methods: readonly string[],
  runs: readonly JudgedRun[],
  judging: Judging,
): BootstrapTest[] {
  const sides = new Sides(runs, judging);
  const pairs = methods.flatMap((a, i) => methods.slice(i + 1).map((b) => [a, b] as const));
  return withHolm<Omit<BootstrapTest, "pHolm">>(pairs.flatMap((pair) => testOf(task, pair, sides, judging)));
}

function testOf(
  task: string,
  [a, b]: readonly [string, string],
  sides: Sides,
  { main }: Judging,
): Omit<BootstrapTest, "pHolm">[] {
  const seeds = sides.seedsOf(a).filter((seed) => sides.seedsOf(b).includes(seed));
  const [ofA, ofB] = [sides.over(a, seeds), sides.over(b, seeds)];
  if (!ofA || !ofB || ofA.rows !== ofB.rows) return [];
  const { difference, p, low, high } = differenceOf(main.name, ofA, ofB, OPTIONS);
  return [{ a, b, metric: main.name, pairs: ofA.rows, statistic: difference, p, low, high, test: "bootstrap", task }];
}

/** What each method's runs said of the rows, drawn anew for all seeds that a pair has in common: for every pair, but once. */
class Sides {
  readonly #known = new Map<string, Resampled | undefined>();

  constructor(
    private readonly runs: readonly JudgedRun[],
    private readonly judging: Judging,
  ) {}

  seedsOf(method: string): number[] {
    return this.runs.flatMap(({ run }) => (run.method === method ? [run.seed] : []));
  }

  /** Nothing where fewer than two rows have been judged by all these runs. */
  over(method: string, seeds: readonly number[]): Resampled | undefined {
    const key = JSON.stringify([method, seeds]);
    if (!this.#known.has(key)) this.#known.set(key, this.#drawn(method, seeds));
    return this.#known.get(key);
  }

  #drawn(method: string, seeds: readonly number[]): Resampled | undefined {
    const { metric, main, prefix } = this.judging;
    const rows = rowsOf(measuredBySeed(method, this.runs, this.judging), seeds);
    return rows.length < 2 ? undefined : resampled(overSeeds(metric), main.name.slice(prefix.length), rows, OPTIONS);
  }
}

const OPTIONS = { confidence: 0.95, seed: 0 } as const;

/** By row, what the runs of these seeds said of it; none where they have not judged the same rows. */
function rowsOf(bySeed: ReadonlyMap<number, Measured>, seeds: readonly number[]): Measured[] {
  const each = seeds.map((seed) => bySeed.get(seed) ?? []);
  const [first] = each;
  if (!first || each.some(({ length }) => length !== first.length)) return [];
  return first.map((_, row) => each.map((rows) => rows[row]));
}

/**
 * The mean over runs of the metric of rows that hold a measurement of each run, as the table has it: of correlations and the like it
 * is another than that of all runs' rows together.
 */
export const overSeeds = (metric: OverRows<unknown>): OverRows<Measured> => {
  const corpora = new WeakMap<readonly Measured[], readonly (readonly unknown[])[]>();
  const byRun = (rows: readonly Measured[]) => (rows[0] ?? []).map((_, run) => rows.map((row) => row[run]));
  const corpusOf = (rows: readonly Measured[]) => {
    const known = corpora.get(rows) ?? byRun(rows);
    corpora.set(rows, known);
    return known;
  };
  return {
    result: (rows, corpus = rows) => {
      const whole = corpusOf(corpus);
      const results = (rows === corpus ? whole : byRun(rows)).map((rowsOfRun, run) =>
        metric.result(rowsOfRun, whole[run]),
      );
      const names = Object.keys(results[0] ?? {});
      return Object.fromEntries(names.map((name) => [name, mean(results.map((of) => own(of, name) ?? Number.NaN))]));
    },
  };
};

function measuredBySeed(
  method: string,
  runs: readonly JudgedRun[],
  { metric }: Judging,
): ReadonlyMap<number, Measured> {
  const judged = runs.filter(({ run }) => run.method === method);
  return new Map(
    judged.map(({ run: { seed }, rows }) => [
      seed,
      rows.map(({ reference, prediction }, i) => metric.measure(reference, prediction as object, i + 1)),
    ]),
  );
}

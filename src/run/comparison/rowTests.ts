import { existsSync } from "node:fs";
import { join } from "node:path";
import { withHolm } from "../../compare/holm.js";
import { pairedBootstrap } from "../../compare/pairedBootstrap.js";
import type { BootstrapTest } from "../../compare/significance.js";
import { loadTable } from "../../data/index.js";
import { PREDICTIONS } from "../../folders/runFiles.js";
import type { OverRows } from "../../metrics/metric.js";
import type { CollectedRun, Judging } from "./collect.js";

/** A row as both seeds and methods have judged it: what was measured of it in each run. */
type Measured = readonly unknown[];

/**
 * The paired bootstrap of every two methods on one task, over the rows that all their runs have judged: a row is drawn with what
 * the runs of all common seeds said of it.
 */
export async function rowTests(
  task: string,
  methods: readonly string[],
  runs: readonly CollectedRun[],
  judging: Judging,
): Promise<BootstrapTest[]> {
  const measured = new Map<string, ReadonlyMap<number, Measured>>();
  for (const method of methods)
    measured.set(
      method,
      await measuredBySeed(
        runs.filter((run) => run.task === task && run.method === method),
        judging,
      ),
    );
  const pairs = methods.flatMap((a, i) => methods.slice(i + 1).map((b) => [a, b] as const));
  const tests = pairs.flatMap(([a, b]) => testOf(task, [a, b], [measured.get(a), measured.get(b)], judging));
  return withHolm<Omit<BootstrapTest, "pHolm">>(tests);
}

function testOf(
  task: string,
  [a, b]: readonly [string, string],
  [left, right]: readonly [ReadonlyMap<number, Measured> | undefined, ReadonlyMap<number, Measured> | undefined],
  { metric, main, prefix }: Judging,
): Omit<BootstrapTest, "pHolm">[] {
  const seeds = [...(left?.keys() ?? [])].filter((seed) => right?.has(seed));
  const [ofA, ofB] = [rowsOf(left, seeds), rowsOf(right, seeds)];
  if (ofA.length < 2 || ofA.length !== ofB.length) return [];
  const { difference, p, low, high } = pairedBootstrap(overSeeds(metric), main.name.slice(prefix.length), ofA, ofB, {
    confidence: CONFIDENCE,
    seed: 0,
  });
  return [{ a, b, metric: main.name, pairs: ofA.length, statistic: difference, p, low, high, test: "bootstrap", task }];
}

const CONFIDENCE = 0.95;

/** By row, what the runs of these seeds said of it; none where they have not judged the same rows. */
function rowsOf(bySeed: ReadonlyMap<number, Measured> | undefined, seeds: readonly number[]): Measured[] {
  const each = seeds.map((seed) => bySeed?.get(seed) ?? []);
  const [first] = each;
  if (!first || each.some(({ length }) => length !== first.length)) return [];
  return first.map((_, row) => each.map((rows) => rows[row]));
}

/** The metric of rows that hold several measurements each. */
const overSeeds = (metric: OverRows<unknown>): OverRows<Measured> => {
  const flat = new WeakMap<readonly Measured[], readonly unknown[]>();
  const flattened = (rows: readonly Measured[]) => {
    const known = flat.get(rows) ?? rows.flat(1);
    flat.set(rows, known);
    return known;
  };
  return {
    result: (rows, corpus = rows) => metric.result(rows === corpus ? flattened(rows) : rows.flat(1), flattened(corpus)),
  };
};

async function measuredBySeed(
  runs: readonly CollectedRun[],
  { metric, prefix }: Judging,
): Promise<Map<number, Measured>> {
  const bySeed = new Map<number, Measured>();
  for (const { folder, seed } of runs) {
    const file = join(folder, PREDICTIONS[prefix === "" ? "validation" : "test"]);
    if (!existsSync(file)) continue;
    const { rows } = await loadTable(file);
    bySeed.set(
      seed,
      rows.map(({ values }, i) => metric.measure(values.reference, values.prediction as object, i + 1)),
    );
  }
  return bySeed;
}

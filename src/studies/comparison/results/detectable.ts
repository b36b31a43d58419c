// Which differences a comparison would find, from the scores of runs that are there.
import { group } from "d3-array";
import { formatNumber, UsageError, words } from "../../../base/index.js";
import { bareMetric, type ComparedMetric } from "../../../base/records/index.js";
import { resolveRun } from "../../../tasks/config/index.js";
import { type Resampled, resampled } from "../../statistics/pairedBootstrap.js";
import { everyTwo } from "../../statistics/pairedScores.js";
import { detectableDifference, meanSpread, type Spread, scaledSpread, spreadOf } from "../../statistics/power.js";
import type { Cell } from "../plan/cells.js";
import type { KnownFacts } from "../plan/estimates.js";
import { crossed, type Spec } from "../spec/spec.js";
import { type CollectedRun, collectRuns } from "./collectRuns.js";
import { readPredictedRuns } from "./predictedRuns.js";
import { type Side, sideOf } from "./rowTests.js";
import { scoringOf } from "./scoring.js";

/** The difference of a task's main metric that the test over seeds and rows finds in 80 % of comparisons, or why it is unknown. */
interface Detectable {
  readonly task: string;
  readonly metric?: ComparedMetric;
  readonly difference: number | null;
  /** What it is from, or why there is none. */
  readonly from: string;
}

interface Planned {
  readonly task: string;
  /** How many runs each method has, one for each seed and data seed. */
  readonly seeds: number;
  /** The number of rows that runs will be scored on, if it is known. */
  readonly rows: number | undefined;
  /** The main metric, if it is not the task's own. */
  readonly mainMetric?: string | undefined;
}

/**
 * Which difference each task would show, by finished runs in the folder of --pilot, else in the output.
 * @throws UsageError for a pilot without finished runs
 */
export async function detectableIn(
  { tasks, seeds, dataSeeds, pilot, output }: Spec,
  cells: readonly Cell[],
  facts: KnownFacts,
): Promise<Detectable[]> {
  const runs = await collectRuns(pilot ?? output);
  if (pilot !== undefined && runs.length === 0)
    throw new UsageError(`--pilot takes the folder of a comparison with finished runs; there is none in ${pilot}.`);
  const found: Detectable[] = [];
  for (const { name, mainMetric } of tasks) {
    const { settings } = cells.find(({ task }) => task === name)!;
    const rows = facts.reported(resolveRun(settings))?.rows;
    found.push(await detectableOn({ task: name, seeds: crossed(seeds, dataSeeds).length, rows, mainMetric }, runs));
  }
  return found;
}

async function detectableOn(
  { task, seeds, rows, mainMetric }: Planned,
  runs: readonly CollectedRun[],
): Promise<Detectable> {
  const own = runs.filter((run) => run.task === task);
  const unknown = (why: string) => ({ task, difference: null, from: why });
  if (seeds < 2) return unknown("a test over seeds needs at least 2");
  if (own.length === 0) return unknown("no runs yet");
  const scoring = scoringOf(own, mainMetric);
  const predicted = await readPredictedRuns(own, scoring);
  const sides = predicted.flatMap((one) => (one.rows.length > 1 ? (sideOf(one, scoring) ?? []) : []));
  const spread = spreadIn(sides, bareMetric(scoring.main.name));
  if (!spread) return unknown(TOO_FEW);
  const before = own[0]!.scored[scoring.split];
  const scale = rows === undefined || before === undefined ? 1 : before / rows;
  const difference = detectableDifference(scaledSpread(spread, scale), seeds);
  return { task, metric: scoring.main, difference, from: `from ${sides.length} runs` };
}

const TOO_FEW = "too few runs: 2 methods with 2 common seeds, or 4 seeds of one method";
const RESAMPLES = 2000;

/** The mean over pairs of methods, each with its common seeds; of a single method, over pairs of its own seeds. */
function spreadIn(sides: readonly Side[], name: string): Spread | undefined {
  if (sides.length === 0) return undefined;
  const found = resampled(name, sides, { resamples: RESAMPLES, seed: 0 });
  const drawn = new Map(sides.map((side, i) => [side, found[i]!]));
  const byMethod = [...group(sides, ({ method }) => method).values()];
  const pairs = byMethod.length > 1 ? everyTwo(byMethod).map(([a, b]) => commonSeeds(a, b)) : byMethod.map(neighbors);
  const spreads = pairs
    .filter((pair) => pair.length > 1)
    .map((pair) => spreadOf(pair.map(([a, b]) => minus(drawn.get(a)!, drawn.get(b)!))));
  return spreads.length === 0 ? undefined : meanSpread(spreads);
}

type Two = readonly [Side, Side];

const commonSeeds = (some: readonly Side[], others: readonly Side[]): Two[] =>
  some.flatMap((side) => {
    const other = others.find(({ seed }) => seed === side.seed);
    return other ? [[side, other] as const] : [];
  });

/** Each two neighbors of a method's runs: they differ as two methods do that are equally good. */
const neighbors = (runs: readonly Side[]): Two[] =>
  runs.flatMap((side, i) => (i % 2 === 1 ? [[runs[i - 1]!, side] as const] : []));

const minus = (a: Resampled, b: Resampled): Resampled => ({
  whole: a.whole - b.whole,
  drawn: a.drawn.map((value, i) => value - b.drawn[i]!),
});

/** The sentences for the terminal, one a task. */
export const detectableText = (
  found: readonly Detectable[],
  { seeds, dataSeeds }: Pick<Spec, "seeds" | "dataSeeds">,
): string =>
  [
    `The difference that the bootstrap over seeds and rows finds in 80 % of comparisons (p < 0.05, before Holm's correction) with ${seeds.length} ${seeds.length === 1 ? "seed" : "seeds"}${dataSeeds.length === 0 ? "" : ` and ${dataSeeds.length} data ${dataSeeds.length === 1 ? "seed" : "seeds"}, whose runs are taken as independent`}:`,
    ...found.map(({ task, metric, difference, from }) =>
      difference === null
        ? `${task}: unknown: ${from}`
        : `${task}: ${formatNumber(difference)} ${metric ? words(metric.name) : ""} (${from})`,
    ),
  ].join("\n");

// The figure of differences between runs with the same seed.
import * as Plot from "@observablehq/plot";
import { formatNumber, own } from "../../../base/index.js";
import { type ComparedTask, type ComparisonLog, seedsText } from "../../../base/records/index.js";
import { mainHeading } from "../../statistics/checkComparison.js";
import { everyTwo } from "../../statistics/pairedScores.js";
import { meanDifference } from "../../statistics/summary.js";
import { counted, figure, fitting, html, type Markup, NOTHING, row, type Size, table } from "../html.js";
import { runColor } from "./palette.js";
import { around, draw } from "./plot.js";
import { apart } from "./pointLabels.js";

/** With more pairs of methods than this, only those with the first method are drawn. */
const MOST_PAIRS = 15;

/** How much better one method is than another on a task. Above 0 the first is better. */
interface PairDifferences {
  readonly pair: string;
  readonly seeds: readonly { readonly seed: string; readonly difference: number }[];
  readonly interval: readonly [low: number, high: number] | undefined;
}

type Found = Pick<ComparisonLog, "methods" | "runs" | "tests">;

/** Differences of a task's main metric between runs with the same seed. Above 0 the first method is better, whatever the metric's goal. */
export function pairDifferences(
  { methods, runs, tests }: Found,
  { name: task, metrics: [main] }: ComparedTask,
): PairDifferences[] {
  const sign = main.goal === "minimize" ? -1 : 1;
  const scores = (method: string) =>
    new Map(
      runs.flatMap((run) => {
        const value = run.task === task && run.method === method ? own(run.metrics, main.name) : undefined;
        return value === undefined ? [] : [[seedsText(run), sign * value] as const];
      }),
    );
  return pairsOf(methods).flatMap(([a, b]) => {
    const [left, right] = [scores(a), scores(b)];
    const seeds = [...left].flatMap(([seed, value]) => {
      const other = right.get(seed);
      return other === undefined ? [] : [{ seed, difference: value - other }];
    });
    const ofPair = tests.filter((one) => one.task === task && one.a === a && one.b === b && one.metric === main.name);
    const test = ofPair.find((one) => one.test === "two-level") ?? ofPair.find((one) => one.test === "bootstrap");
    const interval = test && ([test.low, test.high] as const);
    return seeds.length === 0 ? [] : [{ pair: `${a} – ${b}`, seeds, interval }];
  });
}

function pairsOf(methods: readonly string[]): (readonly [string, string])[] {
  const all = everyTwo(methods);
  return all.length > MOST_PAIRS ? all.filter(([a]) => a === methods[0]) : all;
}

/** One drawing for each task: a mark for each seed, the mean, and the bootstrap's interval. */
export function differencesFigure(found: Found & Pick<ComparisonLog, "tasks">): Markup | undefined {
  const list = found.tasks.flatMap((task) => {
    const pairs = pairDifferences(found, task);
    return pairs.length > 0 ? [{ task, pairs }] : [];
  });
  if (list.length === 0) return undefined;
  const left = found.methods.length * (found.methods.length - 1) > 2 * MOST_PAIRS;
  const title = (task: ComparedTask) => `${task.name}: ${mainHeading(task)}`;
  const hasIntervals = list.some(({ pairs }) => pairs.some(({ interval }) => interval));
  return figure({
    id: "differences",
    title: "Paired differences",
    drawings: list.map(
      ({ task, pairs }) => html`<h3>${title(task)}</h3>${fitting((size) => drawPairs(title(task), pairs, size))}`,
    ),
    caption: `Differences between runs with the same seeds, first method minus second, with the sign reversed where lower is better: right of 0 the first method is better. Circles are seeds, diamonds are means${hasIntervals ? ", bars 95 % intervals of the bootstrap, over seeds and rows where there are several seeds" : ""}.${left ? ` Only pairs with ${found.methods[0]} are shown.` : ""}`,
    numbers: list.map(({ task, pairs }) => pairsTable(`Paired differences, ${title(task)}`, pairs)),
  });
}

function drawPairs(title: string, pairs: readonly PairDifferences[], { width }: Size): Markup {
  const marks = pairs.map(({ pair, seeds, interval }) => ({ pair, mean: meanOf(seeds), interval }));
  const seeds = pairs.flatMap(({ pair, seeds: own }) => own.map((one) => ({ pair, ...one })));
  const bars = marks.flatMap(({ pair, interval }) => (interval ? [{ pair, low: interval[0], high: interval[1] }] : []));
  const summary = marks.map(({ pair, mean: value }) => `${pair} ${formatNumber(value)}`).join("; ");
  const ends = bars.flatMap(({ low, high }) => [low, high]);
  const domain = around([0, ...ends, ...seeds.map(({ difference }) => difference)]);
  return draw({
    title: `Paired differences, ${title}`,
    description: `Mean differences: ${summary}.`,
    width,
    height: 76 + 30 * pairs.length,
    bands: pairs.map(({ pair }) => pair),
    x: { label: "difference", domain },
    marks: [
      Plot.ruleX([0], { stroke: "var(--soft)" }),
      Plot.ruleY(bars, { y: "pair", x1: "low", x2: "high", stroke: runColor(0), strokeWidth: 5, strokeOpacity: 0.35 }),
      Plot.dot(marks, { y: "pair", x: "mean", r: 6, symbol: "diamond", fill: runColor(1) }),
      Plot.dot(
        seeds,
        apart(
          {
            y: "pair",
            x: "difference",
            r: 4,
            stroke: "var(--ink)",
            title: ({ pair, seed, difference }: (typeof seeds)[number]) =>
              `${pair}, ${seed}: ${formatNumber(difference)}`,
          },
          { near: 7, room: 22 },
        ),
      ),
    ],
  });
}

const meanOf = (seeds: PairDifferences["seeds"]): number => meanDifference(seeds.map(({ difference }) => difference));

function pairsTable(title: string, pairs: readonly PairDifferences[]): Markup {
  const rows = pairs.map(({ pair, seeds, interval }) =>
    row(pair, [
      counted(seeds.length, "seed"),
      formatNumber(meanOf(seeds)),
      interval ? `${formatNumber(interval[0])} to ${formatNumber(interval[1])}` : NOTHING,
      seeds.map(({ seed, difference }) => `${seed.replace(/^seed /, "")}: ${formatNumber(difference)}`).join(", "),
    ]),
  );
  return table(title, ["Methods", "Seeds", "Mean", "95 % interval", "By seed"], rows);
}

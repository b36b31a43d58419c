// What a comparison shows, in one sentence.
import { group } from "d3-array";
import { formatNumber, someOf } from "../../base/index.js";
import { type Comparison, type Goal, isWilcoxon, type SignificanceTest, seedsName } from "../../base/records/index.js";
import { goalOfAverage } from "../statistics/averages.js";
import { isSignificant, pairsNeeded } from "../statistics/holm.js";
import { averageScores, decimalsOf, figure, noScoreText, type Score, scoreOf, seedsText } from "./scores.js";

/** What the bootstrap over seeds and rows finds of two methods on a task, by its main metric. */
interface Finding {
  readonly task: string;
  /** The one with the better mean, the other one, and the difference with its 95 % interval. */
  readonly better: string;
  readonly worse: string;
  readonly difference: number;
  readonly low: number;
  readonly high: number;
  readonly seeds: number;
  /** The rows that are scored differently. */
  readonly differing: number;
  /** Whether the difference is significant after the correction, its interval leaves out 0, and enough rows differ. */
  readonly isFound: boolean;
  /** Within which margin the methods are shown to be equivalent. */
  readonly margin?: number | undefined;
}

/**
 * The methods with their scores, the best first, and what is shown of them: which are better, with 95 % intervals, which are equivalent, and
 * how small a difference could not be shown.
 */
export function headline(comparison: Comparison, tests: readonly SignificanceTest[]): string {
  const findings = findingsOf(comparison, tests);
  return `${scoresText(comparison, findings)}: ${shownText(comparison, findings)}.`;
}

/** What Wilcoxon's test finds and the sentence does not say. */
export function besideHeadline(comparison: Comparison, tests: readonly SignificanceTest[]): string[] {
  const found = findingsOf(comparison, tests).filter(({ isFound }) => isFound);
  const others = tests
    .filter(isWilcoxon)
    .filter(
      ({ a, b, task, pHolm }) =>
        isSignificant(pHolm) &&
        !found.some((one) => one.task === task && [a, b].includes(one.better) && [a, b].includes(one.worse)),
    );
  return others.map(({ a, b, task, effect, population, pHolm }) => {
    const [better, worse] = effect.rankBiserial > 0 ? [a, b] : [b, a];
    const over = task === undefined ? population : `seeds of ${task}`;
    return `Wilcoxon's test over ${over} finds ${better} better than ${worse}, p ${formatNumber(pHolm)}; the sentence goes by the bootstrap over seeds and rows.`;
  });
}

function findingsOf({ tasks }: Comparison, tests: readonly SignificanceTest[]): Finding[] {
  const mains = new Map(tasks.map(({ name, metrics: [main] }) => [name, main.name]));
  return tests.flatMap((test) => {
    if (test.test !== "two-level" || test.metric !== mains.get(test.task)) return [];
    const { a, b, task, low, high, seeds, differing, pHolm } = test;
    const isFound = differing >= pairsNeeded() && isSignificant(pHolm) && (low > 0 || high < 0);
    const alike = tests.find((one) => one.test === "equivalence" && one.task === task && one.a === a && one.b === b);
    const margin = alike?.test === "equivalence" && alike.equivalent ? alike.margin : undefined;
    const facts = { task, seeds, differing, isFound, margin };
    return test.difference < 0
      ? { ...facts, better: b, worse: a, difference: -test.difference, low: -high, high: -low }
      : { ...facts, better: a, worse: b, difference: test.difference, low, high };
  });
}

/** The scores of one task, with as many decimals as the differences have; of several their averages, if there are any. */
function scoresText(comparison: Comparison, findings: readonly Finding[]): string {
  const { tasks, methods } = comparison;
  const [task] = tasks;
  if (task && tasks.length === 1) {
    const { name, goal } = task.metrics[0];
    const scores = methods.map((method) => ({ method, ...scoreOf(comparison, task.name, method, name) }));
    const text = rankedText(scores, goal, Math.max(0, ...findings.map(decimalsIn)));
    return goal === "minimize" ? `${text} (lower is better)` : text;
  }
  const goal = goalOfAverage(comparison);
  const scores = averageScores(comparison);
  const over = `over ${tasks.length} tasks`;
  return goal === undefined || scores.length === 0 ? over : `${rankedText(scores, goal, 0)} on average ${over}`;
}

/** Methods without a score come last. */
function rankedText(scores: readonly (Score & { readonly method: string })[], goal: Goal, decimals: number): string {
  const sign = goal === "maximize" ? -1 : 1;
  const known = scores.flatMap(({ mean, ...score }) => (mean === undefined ? [] : { ...score, mean }));
  const digits = Math.max(decimals, decimalsOf(Math.max(...known.map(({ mean }) => Math.abs(mean))), 3));
  const texts = [
    ...known
      .sort((one, other) => sign * (one.mean - other.mean))
      .map((score) => `${score.method} ${figure(score.mean, digits)}${seedsText(score, score.n)}`),
    ...scores.filter(({ mean }) => mean === undefined).map((score) => `${score.method} ${noScoreText(score)}`),
  ];
  return someOf(texts, MOST);
}

const halfOf = ({ low, high }: Finding): number => (high - low) / 2;
/** Two significant digits of half the interval. */
const decimalsIn = (one: Finding): number => decimalsOf(halfOf(one), 2);
const numberText = (value: number, one: Finding): string => figure(value, decimalsIn(one));
const intervalText = (one: Finding): string => `${numberText(one.low, one)} to ${numberText(one.high, one)}`;

const MOST = 4;

function shownText({ methods, tasks, pairs, runs }: Comparison, findings: readonly Finding[]): string {
  if (methods.length < 2) return "a single method, compared with no other";
  if (new Set(runs.map(seedsName)).size < 2) return "one seed shows nothing";
  if (findings.length === 0) return "no two methods can be tested over seeds and rows";
  const isOne = methods.length === 2 && tasks.length === 1;
  const where = ({ task }: Finding) => (tasks.length > 1 ? `on ${task} ` : "");
  const found = findings
    .filter(({ isFound }) => isFound)
    .map((one) => {
      const than = isOne ? "" : ` than ${one.worse}`;
      return `${where(one)}${one.better} is better${than} by ${numberText(one.difference, one)} (${intervalText(one)})`;
    });
  const alike = findings.filter(({ margin }) => margin !== undefined);
  const pairsText = someOf(
    alike.map((one) => `${one.better} and ${one.worse}${tasks.length > 1 ? ` on ${one.task}` : ""}`),
    MOST,
    " pairs",
  );
  const open = findings.filter(({ isFound, margin }) => !isFound && margin === undefined);
  const of = pairs ? " in any tested pair" : methods.length > 2 ? " between any two" : "";
  const what =
    found.length + alike.length > 0
      ? "no other difference shown"
      : `no difference shown${of}${tasks.length > 1 ? " on any task" : ""}`;
  return [
    ...(found.length === 0 ? [] : [someOf(found, MOST, " pairs")]),
    ...(alike.length === 0 ? [] : [`equivalent within ±${alike[0]!.margin}${isOne ? "" : `: ${pairsText}`}`]),
    ...(open.length === 0 ? [] : [`${what}${openText(open, isOne)}`]),
  ].join("; ");
}

/** Why nothing is shown: how small a difference these seeds can't show, or how few rows tell the methods apart. */
function openText(open: readonly Finding[], isOne: boolean): string {
  const able = open.filter(({ differing }) => differing >= pairsNeeded());
  const most = Math.max(...open.map(({ differing }) => differing));
  const rows = most === 0 ? "no row is" : most === 1 ? "only 1 row is" : `only ${most} rows are`;
  const few = `${rows} scored differently, too few to test`;
  const isCorrected = able.some(({ low }) => low > 0);
  const facts = [...(isOne ? [intervalText(open[0]!)] : []), able.length > 0 ? limitText(able) : few];
  return `${isCorrected ? " after Holm's correction" : ""} (${facts.join("; ")})`;
}

/** Half the narrowest interval of each task: it would have held 0 beside any smaller difference. */
function limitText(able: readonly Finding[]): string {
  const byTask = [...group(able, ({ task }) => task)];
  const limits = byTask.map(([task, ofTask]) => {
    const narrowest = ofTask.reduce((least, one) => (halfOf(one) < halfOf(least) ? one : least));
    return `${numberText(halfOf(narrowest), narrowest)}${byTask.length > 1 ? ` on ${task}` : ""}`;
  });
  return `${Math.max(...able.map(({ seeds }) => seeds))} seeds can't show less than ${someOf(limits, MOST)}`;
}

// What a comparison shows, in one sentence.
import { group } from "d3-array";
import { formatCount, formatNumber } from "../../base/index.js";
import type { ComparedTask, Comparison, Goal, SignificanceTest } from "../../base/records/index.js";
import { averagesOf, goalOfAverage } from "../statistics/averages.js";
import { type Finding, findingsOf, otherFindings } from "../statistics/findings.js";
import { pairsNeeded } from "../statistics/holm.js";
import { figure, noScoreText, type Score, scoreOf, seedsText } from "./scores.js";

/**
 * The methods with their scores, the best first, and what is shown of them: differences with their 95 % intervals, equivalence, or nothing,
 * and then how small a difference can't be shown. `dora 0.956, lora 0.953: no difference shown (−0.012 to 0.018; 3 seeds can't show less
 * than 0.015).`
 */
export function headline(comparison: Comparison, tests: readonly SignificanceTest[]): string {
  const findings = findingsOf(comparison, tests);
  const [task, ...others] = comparison.tasks;
  const scores = !task ? "no task" : others.length > 0 ? averages(comparison) : scoresOn(comparison, task, findings);
  return `${scores}: ${shown(comparison, findings)}.`;
}

/** What Wilcoxon's test finds and the sentence does not say. */
export const besideHeadline = (comparison: Comparison, tests: readonly SignificanceTest[]): string[] =>
  otherFindings(findingsOf(comparison, tests), tests).map(({ a, b, task, effect, population, pHolm }) => {
    const [better, worse] = effect.rankBiserial > 0 ? [a, b] : [b, a];
    const where =
      population === "tasks" ? "over tasks" : `over the ${population}${task === undefined ? "" : ` (${task})`}`;
    return `Wilcoxon's test ${where} finds ${better} better than ${worse} (p ${formatNumber(pHolm)}); the sentence above goes by another test.`;
  });

function scoresOn(
  comparison: Comparison,
  { name, metrics: [main] }: ComparedTask,
  findings: readonly Finding[],
): string {
  const scores = comparison.methods.map((method) => ({ method, ...scoreOf(comparison, name, method, main.name) }));
  const text = ranked(scores, main.goal, Math.max(0, ...findings.map(decimalsOf)));
  return main.goal === "minimize" ? `${text} (lower is better)` : text;
}

function averages(comparison: Comparison): string {
  const goal = goalOfAverage(comparison);
  const scores = averagesOf(comparison).map((one) => ({ ...one, failed: 0, missing: 0, flaws: [], competes: true }));
  const over = `over ${comparison.tasks.length} tasks`;
  return goal === undefined || scores.length === 0 ? over : `${over} ${ranked(scores, goal, 0)} on average`;
}

const MOST = 4;

/** Methods without a score come last. @param decimals the least number of them */
function ranked(scores: readonly (Score & { readonly method: string })[], goal: Goal, decimals: number): string {
  const sign = goal === "maximize" ? -1 : 1;
  const known = scores.flatMap(({ mean, ...score }) => (mean === undefined ? [] : { ...score, mean }));
  const digits = Math.max(decimals, decimalsFor(Math.max(...known.map(({ mean }) => Math.abs(mean))), 3));
  const texts = [
    ...known
      .sort((one, other) => sign * (one.mean - other.mean))
      .map((score) => `${score.method} ${figure(score.mean, digits)}${seedsText(score, score.n)}`),
    ...scores.filter(({ mean }) => mean === undefined).map((score) => `${score.method} ${noScoreText(score)}`),
  ];
  return someOf(texts, MOST);
}

/** With how many decimals a value has this number of significant digits. */
const decimalsFor = (value: number, digits: number): number =>
  value > 0 ? Math.min(12, Math.max(0, digits - 1 - Math.floor(Math.log10(value)))) : 0;

const halfOf = ({ difference: { low, high } = { low: 0, high: 0, mean: 0 } }: Finding): number => (high - low) / 2;

const decimalsOf = (one: Finding): number => decimalsFor(halfOf(one), 2);

function someOf(texts: readonly string[], most: number, what = ""): string {
  const more = texts.length - most;
  return `${texts.slice(0, most).join(", ")}${more > 0 ? ` and ${formatCount(more)} more${what}` : ""}`;
}

function shown({ methods, tasks, pairs }: Comparison, findings: readonly Finding[]): string {
  if (methods.length < 2) return "a single method, compared with no other";
  if (findings.length === 0) return "nothing is tested, as no two methods have all their runs and a common seed";
  if (findings.every(({ difference }) => !difference)) return "one seed shows nothing";
  const isOne = methods.length === 2 && tasks.length === 1;
  const where = ({ task }: Finding) => (task === undefined ? "over tasks " : tasks.length > 1 ? `on ${task} ` : "");
  const found = findings
    .filter(({ isFound }) => isFound)
    .map((one) => `${where(one)}${one.pair[0]} is better${isOne ? "" : ` than ${one.pair[1]}`} by ${byText(one)}`);
  const alike = findings.flatMap((one) =>
    one.margin === undefined
      ? []
      : `${isOne ? "" : `${where(one)}${one.pair.join(" and ")} are `}equivalent within ±${one.margin}`,
  );
  const open = findings.filter(({ isFound, margin }) => !isFound && margin === undefined);
  const isAny = found.length + alike.length > 0;
  const any = `${pairs ? " in any tested pair" : methods.length > 2 ? " between any two" : ""}${tasks.length > 1 ? " on any task" : ""}`;
  return [
    ...[found, alike].flatMap((texts) => (texts.length === 0 ? [] : someOf(texts, MOST, " pairs"))),
    ...(open.length === 0
      ? []
      : [`no ${isAny ? "other " : ""}difference shown${isAny ? "" : any}${whyOpen(open, isOne)}`]),
  ].join("; ");
}

/** `0.030 (0.010 to 0.050)` */
function byText(one: Finding): string {
  return `${figure(one.difference!.mean, decimalsOf(one))} (${intervalText(one)})`;
}

function intervalText(one: Finding): string {
  const { low, high } = one.difference!;
  return `${figure(low, decimalsOf(one))} to ${figure(high, decimalsOf(one))}`;
}

/** Why pairs are open: how small a difference these seeds can't show, or what there is too little of. */
function whyOpen(open: readonly Finding[], isOne: boolean): string {
  const able = open.filter(({ difference, tooFew }) => difference && !tooFew);
  const isCorrected = able.some(({ difference }) => difference!.low > 0);
  return `${isCorrected ? " after Holm's correction" : ""} (${[
    ...(isOne ? [intervalText(open[0]!)] : []),
    able.length > 0 ? limitOf(able) : tooFewText(open),
  ].join("; ")})`;
}

/** Half the narrowest interval of each task: a smaller difference would have been within it. */
function limitOf(able: readonly Finding[]): string {
  const byTask = [...group(able, ({ task }) => task)];
  const limits = byTask.map(([task, ofTask]) => {
    const narrowest = ofTask.reduce((least, one) => (halfOf(one) < halfOf(least) ? one : least));
    return `${figure(halfOf(narrowest), decimalsOf(narrowest))}${byTask.length > 1 ? ` on ${task}` : ""}`;
  });
  return `${Math.max(...able.map(({ seeds }) => seeds))} seeds can't show less than ${someOf(limits, MOST)}`;
}

function tooFewText(open: readonly Finding[]): string {
  const [first, ...others] = open.flatMap(({ tooFew }) => tooFew ?? []);
  if (!first) return "one seed shows nothing";
  const { count, of } = others.reduce((most, one) => (one.count > most.count ? one : most), first);
  return `only ${count} ${count === 1 ? of : `${of}s`} differ, and the test needs ${pairsNeeded()}`;
}

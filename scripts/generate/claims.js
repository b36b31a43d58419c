// What a study of record says of the pairs of methods that it was planned to compare, one sentence each.
import { words } from "../../build/js/base/index.js";

/** @typedef {import("../../src/base/records/comparison.js").MethodPair} MethodPair */
/** @typedef {import("../../src/base/records/comparisonTests.js").SignificanceTest} SignificanceTest */
/** @typedef {import("../../src/base/records/comparisonTests.js").TwoLevelTest} TwoLevelTest */
/** @typedef {import("./results.js").Study} Study */

/** The pairs of a study that tests every two of its methods. @type {Record<string, readonly MethodPair[]>} */
const PLANNED = {
  decay: [
    ["lora", "decay"],
    ["lora+es", "decay"],
    ["grid", "decay"],
    ["grid", "decay-equal"],
  ],
};

/** @param {string} study @param {Study} found @returns {string[]} Markdown: a list, if pairs were planned */
export function claimsOf(study, found) {
  const { pairs = PLANNED[study] ?? [], tasks, tests } = found;
  const lines = pairs.flatMap((pair) => tasks.flatMap((task) => claim(tests, pair, task) ?? []));
  return lines.length === 0 ? [] : [`Claims:\n\n${lines.map((line) => `- ${line}\n`).join("")}`];
}

/** @param {readonly SignificanceTest[]} tests @param {MethodPair} pair the second is said to be better or worse @param {Study["tasks"][number]} task */
function claim(tests, [other, method], { name, metrics: [main] }) {
  const ofPair = tests.filter(({ task, a, b }) => task === name && [a, b].includes(method) && [a, b].includes(other));
  const gains = [main.name, "loss"].flatMap((metric) => gainOf(ofPair, metric, method) ?? []);
  return gains.length === 0 ? undefined : `${name}: **${method}** against ${other}: ${gains.join("; ")}.`;
}

/** By how much the method is better, in words. @param {readonly SignificanceTest[]} tests @param {string} metric @param {string} method */
function gainOf(tests, metric, method) {
  const ofMetric = tests.filter((test) => test.metric === metric);
  const test = /** @type {TwoLevelTest | undefined} */ (ofMetric.find((one) => one.test === "two-level"));
  if (test === undefined) return undefined;
  const [gain, low, high] =
    test.a === method ? [test.difference, test.low, test.high] : [-test.difference, -test.high, -test.low];
  const alike = ofMetric.find((one) => one.test === "equivalence");
  const p = rounded(test.pHolm);
  return `${words(metric)} ${signed(gain)} (${signed(low)} to ${signed(high)}; p ${p}), ${verdictOf(test, gain, alike)}`;
}

/** @param {TwoLevelTest} test @param {number} gain @param {SignificanceTest | undefined} alike the loss has no test of equivalence */
function verdictOf({ pHolm }, gain, alike) {
  if (pHolm < 0.05) return gain > 0 ? "better" : "worse";
  if (alike?.test !== "equivalence") return "no difference shown";
  return alike.equivalent ? "equivalent" : "open";
}

/** @param {number} value */
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

/** @param {number} p */
const rounded = (p) => (p < 0.001 ? "< 0.001" : p.toFixed(3));

// What the studies of record say of the pairs of methods that they were planned to compare, one sentence each.

/** @typedef {import("../../src/base/records/comparisonTests.js").SignificanceTest} SignificanceTest */
/** @typedef {import("../../src/base/records/comparisonTests.js").TwoLevelTest} TwoLevelTest */
/** @typedef {import("./results.js").Study} Study */

/** The methods that each method was planned to be compared with. @type {Record<string, Record<string, readonly string[]>>} */
const PLANNED = {
  base: { bidora: ["dora-matched", "dora", "dora-800", "lora", "dora+es"], "bidora-in": ["dora-matched"] },
  decay: { decay: ["lora", "lora+es", "grid"], "decay-equal": ["grid"] },
  sources: Object.fromEntries(
    [32, 64].map((rows) => [
      `sources-${rows}`,
      ["pooled", "trusted", "then", "agreement"].map((other) => `${other}-${rows}`),
    ]),
  ),
  shift: Object.fromEntries(
    ["magnitudes", "scales", "lora-b", "head"].map((group) => [group, [`${group}-after`, "pooled", "after"]]),
  ),
};

/** @param {string} study @param {Study} found @returns {string[]} Markdown: a list, if the study has planned pairs */
export function claimsOf(study, found) {
  const pairs = Object.entries(PLANNED[study] ?? {}).flatMap(([method, others]) =>
    others.map((other) => ({ method, other })),
  );
  if (pairs.length === 0) return [];
  const lines = pairs.flatMap((pair) => found.tasks.flatMap((task) => claim(found.tests, pair, task) ?? []));
  return [`${lines.map((line) => `- ${line}\n`).join("")}`];
}

/** @param {readonly SignificanceTest[]} tests @param {{ method: string, other: string }} pair @param {Study["tasks"][number]} task */
function claim(tests, { method, other }, { name, metrics: [main] }) {
  const ofPair = tests.filter(
    ({ task, a, b }) => task === name && ((a === other && b === method) || (a === method && b === other)),
  );
  const gains = [main.name, "loss"].flatMap(
    (metric) =>
      gainOf(
        ofPair.filter((test) => test.metric === metric),
        method,
      ) ?? [],
  );
  return gains.length === 0 ? undefined : `${name}: **${method}** and ${other}: ${gains.join("; ")}.`;
}

/** By how much the method is better, in words. @param {readonly SignificanceTest[]} tests @param {string} method */
function gainOf(tests, method) {
  const test = /** @type {TwoLevelTest | undefined} */ (tests.find((one) => one.test === "two-level"));
  if (test === undefined) return undefined;
  const sign = test.a === method ? 1 : -1;
  const [low, high] = [sign * test.low, sign * test.high].sort((x, y) => x - y).map(signed);
  const isAlike = tests.some((one) => one.test === "equivalence" && one.equivalent);
  const verdict = verdictOf(test, sign * test.difference, isAlike);
  const p = test.pHolm < 0.001 ? "< 0.001" : test.pHolm.toFixed(3);
  return `${test.metric} ${signed(sign * test.difference)} (${low} to ${high}; p ${p}), ${verdict}`;
}

/** @param {TwoLevelTest} test @param {number} gain @param {boolean} isAlike */
function verdictOf({ pHolm }, gain, isAlike) {
  if (pHolm < 0.05) return gain > 0 ? "better" : "worse";
  return isAlike ? "equivalent" : "open";
}

/** @param {number} value */
const signed = (value) => `${value < 0 ? "−" : "+"}${Math.abs(value).toFixed(3)}`;

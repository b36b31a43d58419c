// The rates that tuning runs choose: for each task and method of a study's stages the rate with the best mean score.
// Usage: node scripts/studies/choose-rates.js STAGES SCORE SEEDS   prints {TASK: {METHOD: {chosen, scores: {RATE: mean}}}}; SCORE is a key of
//          metrics.json, SEEDS are such as 100,101
//        node scripts/studies/choose-rates.js --chosen FILE        prints a line TASK METHOD RATE for each of them
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const [first, second, third] = process.argv.slice(2);
if (first === undefined || second === undefined || (first !== "--chosen" && third === undefined)) {
  console.error("Usage: node scripts/studies/choose-rates.js STAGES SCORE SEEDS, or --chosen FILE");
  process.exit(2);
}

/** @param {string} path */
const json = (path) => JSON.parse(readFileSync(path, "utf8"));
/** @param {string} path */
const foldersIn = (path) =>
  readdirSync(path, { withFileTypes: true })
    .filter((entry) => entry.isDirectory())
    .map(({ name }) => name);

/** @param {string} path of TASK/METHOD @param {string} score @param {readonly string[]} seeds */
function chosen(path, score, seeds) {
  const scores = foldersIn(path)
    .sort((a, b) => Number(a) - Number(b))
    .map((rate) => {
      const values = seeds.map((seed) => json(join(path, rate, `seed-${seed}`, "metrics.json"))[score]);
      if (!values.every(Number.isFinite)) throw new Error(`A run in ${join(path, rate)} has no ${score}.`);
      return { rate, mean: values.reduce((sum, value) => sum + value, 0) / values.length };
    });
  const best = scores.reduce((best, next) => (next.mean > best.mean ? next : best));
  return {
    chosen: best.rate,
    scores: Object.fromEntries(scores.map(({ rate, mean }) => [rate, Number(mean.toFixed(4))])),
  };
}

if (first === "--chosen") {
  for (const [task, methods] of Object.entries(json(second)))
    for (const [method, { chosen }] of Object.entries(methods)) console.log(task, method, chosen);
} else {
  const seeds = String(third).split(",");
  const rates = Object.fromEntries(
    foldersIn(first).map((task) => {
      const methods = foldersIn(join(first, task));
      return [task, Object.fromEntries(methods.map((name) => [name, chosen(join(first, task, name), second, seeds)]))];
    }),
  );
  console.log(JSON.stringify(rates, undefined, 2));
}

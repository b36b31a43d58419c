// Prints the scores of a comparison's runs of one method on one task: for each run, by seed, whether each row is right, as hexadecimal
// digits of four rows each, and the loss of each row to three digits. Usage: node collect.mjs OUTPUT
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

const output = process.argv[2];
const folders = readdirSync(output, { recursive: true, encoding: "utf8" })
  .filter((name) => /seed-\d+$/.test(name))
  .map((name) => ({ seed: Number(name.replace(/.*-/, "")), folder: join(output, name) }))
  .sort((a, b) => a.seed - b.seed);
const runs = folders.map(({ seed, folder }) => {
  const { labels } = JSON.parse(readFileSync(join(folder, "bidora.json"), "utf8"));
  const rows = readFileSync(join(folder, "validation-predictions.jsonl"), "utf8").trim().split("\n").map((line) => JSON.parse(line));
  const right = rows.map(({ reference, prediction }) => Number(labels[reference] === prediction.label)).join("");
  const digits = right.match(/.{1,4}/g).map((bits) => Number.parseInt(bits.padEnd(4, "0"), 2).toString(16));
  return { seed, right: digits.join(""), loss: rows.map(({ loss }) => Number(loss.toPrecision(3))) };
});
const rows = runs[0].loss.length;
const lines = runs.map((run) => JSON.stringify(run));
console.log(`{"rows": ${rows},\n"runs": [\n${lines.join(",\n")}\n]}`);

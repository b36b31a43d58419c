// The usual way to weigh sources without a second level: a model that was trained on trusted rows predicts the sources' rows, and a source counts
// by how much more often than by chance the model agrees with its labels. Writes training rows: of the source with the highest weight all, of
// others the same share less as their weight is lower, and the trusted rows.
// Usage: node scripts/studies/weigh-sources.js SOURCES PREDICTIONS TRUSTED OUTPUT
//   SOURCES: rows {sentence, label, source}; PREDICTIONS: what `bidora predict` wrote for them; TRUSTED: rows {sentence, label}
import { readFileSync, writeFileSync } from "node:fs";
import { jsonLines } from "./tsvRows.js";

/** With two labels. */
const CHANCE = 0.5;

const [sources, predictions, trusted, output] = process.argv.slice(2);
if (!sources || !predictions || !trusted || !output) {
  console.error("Usage: node scripts/studies/weigh-sources.js SOURCES PREDICTIONS TRUSTED OUTPUT");
  process.exit(2);
}

/** @param {string} path @returns {any[]} */
const linesOf = (path) =>
  readFileSync(path, "utf8")
    .trimEnd()
    .split("\n")
    .map((line) => JSON.parse(line));

const rows = linesOf(sources);
const said = linesOf(predictions);
if (rows.length !== said.length) throw new Error(`${sources} has ${rows.length} rows, ${predictions} ${said.length}.`);

/** @type {Map<string, { rows: any[], agreed: number }>} */
const bySource = new Map();
for (const [i, row] of rows.entries()) {
  const found = bySource.get(row.source) ?? { rows: [], agreed: 0 };
  found.rows.push(row);
  if (String(said[i].label) === String(row.label)) found.agreed++;
  bySource.set(row.source, found);
}
const weighed = [...bySource].map(([source, { rows, agreed }]) => {
  const agreement = agreed / rows.length;
  return { source, rows, agreement, weight: Math.max(0, agreement - CHANCE) };
});
const highest = Math.max(...weighed.map(({ weight }) => weight));
for (const { source, agreement, weight } of weighed)
  console.log(`${source}: agreement ${agreement.toFixed(3)}, share of rows ${(weight / highest || 0).toFixed(3)}`);

const kept = weighed.flatMap(({ rows, weight }) => rows.slice(0, Math.round((weight / highest || 0) * rows.length)));
writeFileSync(output, jsonLines([...kept.map(({ source: _, ...row }) => row), ...linesOf(trusted)]));

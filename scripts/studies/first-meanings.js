// Copies a folder of the E2E challenge's files, with only the rows of the first meanings in the development set.
// Usage: node scripts/studies/first-meanings.js FOLDER MEANINGS OUTPUT
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { parse } from "csv-parse/sync";

const [folder, count, output] = process.argv.slice(2);
if (!folder || !(Number(count) >= 1) || !output) {
  console.error("Usage: node scripts/studies/first-meanings.js FOLDER MEANINGS OUTPUT");
  process.exit(2);
}

/** @type {{ mr: string, ref: string }[]} */
const rows = parse(readFileSync(join(folder, "devset.csv")), { columns: true, bom: true });
const meanings = new Set([...new Set(rows.map(({ mr }) => mr))].slice(0, Number(count)));
/** @param {string} text */
const quoted = (text) => `"${text.replaceAll('"', '""')}"`;
const kept = rows.filter(({ mr }) => meanings.has(mr)).map(({ mr, ref }) => `${quoted(mr)},${quoted(ref)}\r\n`);

mkdirSync(output, { recursive: true });
copyFileSync(join(folder, "trainset.csv"), join(output, "trainset.csv"));
writeFileSync(join(output, "devset.csv"), `mr,ref\r\n${kept.join("")}`);

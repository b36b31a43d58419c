// Makes the rows of the study of a shift between levels: 1 200 rows of a source for the lower level, 200 of the target for the upper level, 400 of
// the target to choose rates by, and SST-2's development rows to judge by. Two shifts: from SST-2's phrases of up to four words to those of twelve
// words or more, and from SST-2 with two fifths of the positive labels wrong to SST-2.
// Usage: node scripts/studies/make-shift.js DATA OUTPUT   (DATA has the folder glue)
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inHashOrder, jsonLines, rowsOf, without } from "./tsvRows.js";

/** @typedef {import("./tsvRows.js").Row} Row */

const [LOWER, UPPER, TUNING] = [1200, 200, 400];

const [data, output] = process.argv.slice(2);
if (!data || !output) {
  console.error("Usage: node scripts/studies/make-shift.js DATA OUTPUT");
  process.exit(2);
}

/** @param {string} path */
const rows = (path) => inHashOrder(rowsOf(join(data, "glue", path)));
/** @param {Row} row */
const written = ({ texts: [sentence], label }) => ({ sentence, label });

const [sentiment, validation] = [rows("SST-2/train.tsv"), rows("SST-2/dev.tsv")];

/** @param {string} name @param {readonly Row[]} source @param {readonly Row[]} target */
function write(name, source, target) {
  const ofTarget = without(target, validation);
  const lower = without(source, [...ofTarget, ...validation]).slice(0, LOWER);
  const parts = { lower, upper: ofTarget.slice(0, UPPER), tuning: ofTarget.slice(UPPER, UPPER + TUNING), validation };
  mkdirSync(join(output, name), { recursive: true });
  for (const [part, some] of Object.entries(parts))
    writeFileSync(join(output, name, `${part}.jsonl`), jsonLines(some.map(written)));
}

/** @param {Row} row */
const words = ({ texts: [sentence = ""] }) => sentence.split(" ").length;
/** Two of five positive rows are called negative. @param {Row} row @param {number} i */
const withNoise = (row, i) => (row.label === 1 && i % 5 < 2 ? { ...row, label: 0 } : row);
const half = sentiment.length / 2;

write(
  "sentences",
  sentiment.filter((row) => words(row) <= 4),
  sentiment.filter((row) => words(row) >= 12),
);
write("noise", sentiment.slice(half).map(withNoise), sentiment.slice(0, half));

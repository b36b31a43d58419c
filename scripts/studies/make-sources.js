// Makes the rows of the study of sources: 64 trusted rows of SST-2, and eight sources of 250 rows, of which one has SST-2's labels, one has them
// with noise, and six mislead or say nothing about sentiment.
// Usage: node scripts/studies/make-sources.js DATA OUTPUT   (DATA has the folders glue and sms_spam)
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inHashOrder, jsonLines, rowsOf, without } from "./tsvRows.js";

/** @typedef {import("./tsvRows.js").Row} Row */

const [TRUSTED, TUNING, OF_SOURCE] = [64, 500, 250];
/** Every third label of the noisy source is wrong. */
const NOISE = 3;

const [data, output] = process.argv.slice(2);
if (!data || !output) {
  console.error("Usage: node scripts/studies/make-sources.js DATA OUTPUT");
  process.exit(2);
}

/** @param {string} path */
const rows = (path) => rowsOf(join(data, path));
const validation = rows("glue/SST-2/dev.tsv");
const sentiment = inHashOrder(without(rows("glue/SST-2/train.tsv"), validation));

/** The next rows of SST-2. @param {number} count */
const next = (count) => sentiment.splice(0, count);
/** The first sentences of another set, whose labels are about something else. @param {readonly Row[]} rows */
const unrelated = (rows) =>
  inHashOrder(rows.map((row) => ({ ...row, texts: row.texts.slice(0, 1) }))).slice(0, OF_SOURCE);

const [trusted, tuning] = [next(TRUSTED), next(TUNING)];
const shuffled = next(OF_SOURCE);
/** @type {Record<string, Row[]>} */
const sources = {
  true: next(OF_SOURCE),
  noisy: next(OF_SOURCE).map((row, i) => (i % NOISE === 0 ? { ...row, label: 1 - row.label } : row)),
  inverted: next(OF_SOURCE).map((row) => ({ ...row, label: 1 - row.label })),
  // Rows are in the order of hashes, so the next row's label is that of a row drawn at random.
  shuffled: shuffled.map((row, i) => ({ ...row, label: shuffled[(i + 1) % shuffled.length]?.label ?? 0 })),
  cola: unrelated(rows("glue/CoLA/train.tsv")),
  mrpc: unrelated(rows("glue/MRPC/train.tsv")),
  qqp: unrelated(rows("glue/QQP/train.subset.tsv")),
  sms: unrelated(rows("sms_spam/sms.tsv")),
};

/** @param {Row} row */
const written = ({ texts: [sentence], label }) => ({ sentence, label });
const labeled = Object.entries(sources).flatMap(([source, rows]) => rows.map((row) => ({ ...written(row), source })));

mkdirSync(output, { recursive: true });
/** @param {string} name @param {readonly object[]} rows */
const write = (name, rows) => writeFileSync(join(output, `${name}.jsonl`), jsonLines(rows));
write("sources", labeled);
write("trusted-32", trusted.slice(0, TRUSTED / 2).map(written));
write("trusted-64", trusted.map(written));
write("tuning", tuning.map(written));
write("validation", validation.map(written));

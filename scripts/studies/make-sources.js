// Makes the rows of the study of sources: 64 trusted rows of SST-2, and eight sources of 240 rows, of which one has SST-2's labels, one has them
// with noise, and six mislead or say nothing about sentiment.
// Usage: node scripts/studies/make-sources.js DATA OUTPUT   (DATA has the folders glue and sms_spam)
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inHashOrder, jsonLines, rowsOf, without } from "./tsvRows.js";

/** @typedef {import("./tsvRows.js").Row} Row */

const [TRUSTED, TUNING, OF_SOURCE] = [64, 500, 240];
/** Every third label of the noisy source is wrong. */
const NOISE = 3;

const [data, output] = process.argv.slice(2);
if (!data || !output) {
  console.error("Usage: node scripts/studies/make-sources.js DATA OUTPUT");
  process.exit(2);
}

/** @param {string} path */
const rows = (path) => rowsOf(join(data, path));
/** As many rows of both labels in turn, so that the first ones are balanced, too; they are taken from the given rows. @param {Row[]} rows @param {number} count */
function take(rows, count) {
  return Array.from({ length: count }, (_, i) => {
    const at = rows.findIndex(({ label }) => label === 1 - (i % 2));
    if (at === -1) throw new Error(`There are fewer than ${count / 2} rows of each label.`);
    return /** @type {Row} */ (rows.splice(at, 1)[0]);
  });
}
const validation = rows("glue/SST-2/dev.tsv");
const sentiment = inHashOrder(without(rows("glue/SST-2/train.tsv"), validation));
/** The first sentences of another set, whose labels are about something else. @param {readonly Row[]} rows */
const unrelated = (rows) => take(inHashOrder(rows.map((row) => ({ ...row, texts: row.texts.slice(0, 1) }))), OF_SOURCE);
const next = () => take(sentiment, OF_SOURCE);

const [trusted, tuning] = [take(sentiment, TRUSTED), take(sentiment, TUNING)];
/** @type {Record<string, Row[]>} */
const sources = {
  true: next(),
  noisy: next().map((row, i) => (i % NOISE === 0 ? { ...row, label: 1 - row.label } : row)),
  inverted: next().map((row) => ({ ...row, label: 1 - row.label })),
  // Of two rows with the same label in a row of four, one has its own and one the other label.
  shuffled: next().map((row, i) => ({ ...row, label: i % 4 < 2 ? 1 : 0 })),
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

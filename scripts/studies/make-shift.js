// Makes the rows of the study of a shift between levels: many rows of one source for the lower level, 200 of the target for the upper level, rows
// of the target to choose settings by, and the target's development rows. Two targets: QQP's questions, with MRPC's news sentences as the source
// (the same label: a paraphrase or not), and STS-B's forum sentences, with its captions and news as the source (similarity from 0 to 5).
// Usage: node scripts/studies/make-shift.js DATA OUTPUT   (DATA has the folder glue)
import { mkdirSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { inHashOrder, jsonLines, rowsOf, without } from "./tsvRows.js";

/** @typedef {import("./tsvRows.js").Row} Row */

const [LOWER, UPPER, TUNING, VALIDATION] = [2000, 200, 400, 1000];

const [data, output] = process.argv.slice(2);
if (!data || !output) {
  console.error("Usage: node scripts/studies/make-shift.js DATA OUTPUT");
  process.exit(2);
}

/** @param {string} path */
const rows = (path) => inHashOrder(rowsOf(join(data, "glue", path)));
/** @param {Row} row */
const written = ({ texts: [sentence1, sentence2], label }) => ({ sentence1, sentence2, label });

/** @param {string} name @param {readonly Row[]} source @param {readonly Row[]} target @param {readonly Row[]} scored */
function write(name, source, target, scored) {
  const validation = scored.slice(0, VALIDATION);
  const ofTarget = without(target, validation);
  const lower = without(source, [...ofTarget, ...validation]).slice(0, LOWER);
  const parts = { lower, upper: ofTarget.slice(0, UPPER), tuning: ofTarget.slice(UPPER, UPPER + TUNING), validation };
  mkdirSync(join(output, name), { recursive: true });
  for (const [part, some] of Object.entries(parts))
    writeFileSync(join(output, name, `${part}.jsonl`), jsonLines(some.map(written)));
}

/** @param {Row} row */
const isOfForums = ({ genre }) => genre === "main-forum" || genre === "main-forums";
const [similar, scored] = [rows("STS-B/train.tsv"), rows("STS-B/dev.tsv")];

write("paraphrases", rows("MRPC/train.tsv"), rows("QQP/train.subset.tsv"), rows("QQP/dev.subset.tsv"));
write(
  "similarity",
  similar.filter((row) => !isOfForums(row)),
  similar.filter(isOfForums),
  scored.filter(isOfForums),
);

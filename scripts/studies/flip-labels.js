// Copies a folder of SST-2's or MRPC's TSV files with a share of the training labels flipped, always the same ones. The development rows are
// copied unchanged.
// Usage: node scripts/studies/flip-labels.js FOLDER SHARE OUTPUT
import { copyFileSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { uniformInt } from "pure-rand/distribution/uniformInt";
import { xoroshiro128plus } from "pure-rand/generator/xoroshiro128plus";

const [folder, share, output] = process.argv.slice(2);
if (!folder || !(Number(share) >= 0 && Number(share) <= 1) || !output) {
  console.error("Usage: node scripts/studies/flip-labels.js FOLDER SHARE OUTPUT");
  process.exit(2);
}

const [header = "", ...rows] = readFileSync(join(folder, "train.tsv"), "utf8").split("\n");
const columns = header.replace("\uFEFF", "").trimEnd().split("\t");
const column = columns.findIndex((name) => name === "label" || name === "Quality");
const generator = xoroshiro128plus(0);

/** @param {string} row */
function flipped(row) {
  if (row === "") return row;
  const isFlipped = uniformInt(generator, 0, 999_999) < Number(share) * 1e6;
  const cells = row.split("\t");
  const end = /\r$/.exec(cells[column] ?? "")?.[0] ?? "";
  if (isFlipped) cells[column] = (cells[column]?.trimEnd() === "1" ? "0" : "1") + end;
  return cells.join("\t");
}

mkdirSync(output, { recursive: true });
writeFileSync(join(output, "train.tsv"), [header, ...rows.map(flipped)].join("\n"));
copyFileSync(join(folder, "dev.tsv"), join(output, "dev.tsv"));

// The rows of GLUE's and other TSV files, as their authors published them, for scripts that mix data sets.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { basename, dirname } from "node:path";

/** @typedef {{ texts: string[], label: number, genre: string | undefined }} Row */

/** Where each set has its texts and labels. @type {Record<string, { texts: number[], label: number, genre?: number, hasHeader?: false }>} */
const COLUMNS = {
  CoLA: { texts: [3], label: 1, hasHeader: false },
  MRPC: { texts: [3, 4], label: 0 },
  QQP: { texts: [3, 4], label: 5 },
  "SST-2": { texts: [0], label: 1 },
  "STS-B": { texts: [7, 8], label: 9, genre: 1 },
  sms_spam: { texts: [1], label: 0, hasHeader: false },
};

/** Labels that are words. @type {Record<string, number>} */
const WORDS = { ham: 0, spam: 1 };
/** @param {string} cell */
const labelOf = (cell = "") => WORDS[cell] ?? (cell.trim() === "" ? Number.NaN : Number(cell));

/**
 * The rows of a file, each text once, without broken lines.
 * @param {string} path such as glue/SST-2/train.tsv
 * @returns {Row[]}
 */
export function rowsOf(path) {
  const { texts, label, genre, hasHeader = true } = /** @type {any} */ (COLUMNS[basename(dirname(path))]);
  const lines = readFileSync(path, "utf8").split(/\r?\n/);
  const found = /** @type {Map<string, Row>} */ (new Map());
  for (const line of hasHeader ? lines.slice(1) : lines) {
    const cells = line.split("\t");
    const row = { texts: texts.map((/** @type {number} */ at) => cells[at]?.trim()), label: labelOf(cells[label]) };
    if (row.texts.every(Boolean) && Number.isFinite(row.label))
      found.set(row.texts.join("\t"), { ...row, genre: cells[genre] });
  }
  return [...found.values()];
}

/** The rows in the order of their texts' SHA-256 sums: the same sample everywhere, whatever their order in the file. @param {readonly Row[]} rows */
export function inHashOrder(rows) {
  const keyed = rows.map((row) => ({ row, key: createHash("sha256").update(row.texts.join("\t")).digest("hex") }));
  return keyed.sort((a, b) => (a.key < b.key ? -1 : 1)).map(({ row }) => row);
}

/** The rows whose texts others do not have. @param {readonly Row[]} rows @param {readonly Row[]} others */
export function without(rows, others) {
  const taken = new Set(others.flatMap(({ texts }) => texts));
  return rows.filter(({ texts }) => !texts.some((text) => taken.has(text)));
}

/** @param {readonly object[]} rows */
export const jsonLines = (rows) => rows.map((row) => `${JSON.stringify(row)}\n`).join("");

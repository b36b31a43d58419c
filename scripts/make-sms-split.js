// Samples examples/data/sms_spam/{train,test}.tsv from the SMS Spam Collection.
// Usage: node scripts/make-sms-split.js SMSSpamCollection   (lines of the form label TAB text)
//
// The rule: each text once (the collection repeats some), in the order of the texts' SHA-256 sums; the first 1000 rows
// are the test rows, the next 400 the training rows.
import { createHash } from "node:crypto";
import { readFileSync, writeFileSync } from "node:fs";

const TEST_ROWS = 1000;
const TRAIN_ROWS = 400;

const [source] = process.argv.slice(2);
if (source === undefined) throw new Error("Give the path of the collection's file.");
const folder = new URL("../examples/data/sms_spam/", import.meta.url);

/** As in CSV: a field with quotation marks is quoted, and its own are doubled. @param {string} text */
const quoted = (text) => (text.includes('"') ? `"${text.replaceAll('"', '""')}"` : text);

/** @type {Map<string, string>} */
const rows = new Map();
for (const line of readFileSync(source, "utf8").split(/\r?\n/)) {
  const [label, text] = line.split("\t");
  if (label && text) rows.set(createHash("sha256").update(text).digest("hex"), `${label}\t${quoted(text)}`);
}
const drawn = [...rows].sort(([a], [b]) => (a < b ? -1 : 1)).map(([, row]) => row);

/** @param {string} name @param {readonly string[]} lines */
const write = (name, lines) => writeFileSync(new URL(name, folder), ["label\ttext", ...lines, ""].join("\n"));
write("test.tsv", drawn.slice(0, TEST_ROWS));
write("train.tsv", drawn.slice(TEST_ROWS, TEST_ROWS + TRAIN_ROWS));

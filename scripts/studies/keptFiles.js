// What is kept of a run's folder: what `compare` reads, without the texts of rows, folders' paths, and digits that only a picture needs.
import { existsSync, readFileSync } from "node:fs";
import { basename, join } from "node:path";
import { METRICS } from "../../build/js/base/records/metrics.js";
import { ADAPTER_METADATA, MARKER, RUN_FILE } from "../../build/js/base/records/names.js";
import { PREDICTIONS } from "../../build/js/base/records/predictions.js";
import { ROW_RECORD } from "../../build/js/base/records/rowRecord.js";
import { EVENTS } from "../../build/js/base/records/runLog.js";

/** @param {string} text */
const whole = (text) => text;

/** Each line of a JSON lines file changed; a last line that a killed run tore is left out. @param {(line: any) => object} change @returns {(text: string) => string} */
const byLine = (change) => (text) =>
  text
    .split("\n")
    .flatMap((line) => parsed(line) ?? [])
    .map((line) => `${JSON.stringify(change(line))}\n`)
    .join("");

/** @param {string} line */
function parsed(line) {
  try {
    return JSON.parse(line);
  } catch {
    return undefined;
  }
}

/** Numbers to four digits, within objects too. @param {any} value @returns {any} */
function rounded(value) {
  if (typeof value === "number") return Number.isInteger(value) ? value : Number(value.toPrecision(4));
  if (typeof value !== "object" || value === null) return value;
  return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, rounded(one)]));
}

/** @param {any} event */
function keptEvent(event) {
  if (event.event === "step" || event.event === "magnitudes") return rounded(event);
  return event.event === "checkpoint" ? { ...event, path: basename(event.path) } : event;
}

/** What a prediction has of its row's text. */
const WORDS = ["text", "answer"];

/** The rows' texts are their data set's, whose terms may not allow copies. Of tagged words their number is kept. @param {any} row */
function keptPrediction({ text: _, prediction, ...row }) {
  const word = WORDS.find((key) => key in prediction);
  if (word)
    throw new Error(`Only runs that predict labels or numbers can be kept without texts; a prediction has ${word}.`);
  const tokens = Array.isArray(prediction.tokens) && { tokens: prediction.tokens.map(() => "") };
  // A label's probability, which no metric reads, is that of the row's loss or of its complement.
  const score = "score" in prediction && { score: rounded(prediction.score) };
  return { ...row, prediction: { ...prediction, ...tokens, ...score }, file: basename(row.file) };
}

/** @type {Record<string, (text: string) => string>} */
const KEPT = {
  [MARKER]: whole,
  [RUN_FILE]: whole,
  [ADAPTER_METADATA]: whole,
  [ROW_RECORD]: whole,
  [EVENTS]: byLine(keptEvent),
  [PREDICTIONS.validation]: byLine(keptPrediction),
  [PREDICTIONS.test]: byLine(keptPrediction),
  [METRICS]: whole, // last: a folder with it holds a finished run
};

/** @param {string} folder of a run @returns {Map<string, string>} texts by file name */
export function keptFiles(folder) {
  const there = Object.entries(KEPT).filter(([name]) => existsSync(join(folder, name)));
  return new Map(there.map(([name, kept]) => [name, kept(readFileSync(join(folder, name), "utf8"))]));
}

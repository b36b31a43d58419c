// Keeps the ended runs of a comparison in one small file a task, from which they can be put back: `compare` then finds them finished, makes
// only those that are missing, and writes the same comparison.json. What is kept: settings, metrics, hashes of rows, predictions without the
// rows' texts, and the log, with numbers of steps to four digits. What is not: weights and checkpoints.
// Usage: node scripts/studies/keep-runs.js RUNS STORE             writes STORE/TASK.jsonl.br
//        node scripts/studies/keep-runs.js --restore STORE RUNS   leaves runs that are there as they are
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative } from "node:path";
import { parseArgs } from "node:util";
import { brotliCompressSync, brotliDecompressSync, constants } from "node:zlib";
import * as comparison from "../../build/js/base/records/comparisonFolder.js";
import { isFinished, isRunFolder } from "../../build/js/base/records/runFolder.js";
import { readRunLog } from "../../build/js/base/records/runLog.js";
import { keptFiles } from "./keptFiles.js";

const ENDING = ".jsonl.br";
/** A window that holds all runs of a task, which have most of their lines in common. */
const PARAMS = { [constants.BROTLI_PARAM_LGWIN]: constants.BROTLI_MAX_WINDOW_BITS };

/** @typedef {{ plan: Record<string, any>, failures: Record<string, any>, stepSeconds: Record<string, any> }} Records */
/** @typedef {{ path: string, text: string } | { path: string, as: string }} KeptFile */

/** The folders below one that a run was started in, in order. @param {string} folder @returns {string[]} */
function runFoldersBelow(folder) {
  if (isRunFolder(folder)) return [folder];
  const inside = readdirSync(folder, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  return inside
    .map(({ name }) => name)
    .sort()
    .flatMap((name) => runFoldersBelow(join(folder, name)));
}

/** Whether a run has finished or failed; others go on where they are. @param {string} folder */
async function hasEnded(folder) {
  if (isFinished(folder)) return true;
  const log = await readRunLog(folder).catch(() => undefined);
  return log?.events.at(-1)?.event === "error";
}

/** @param {Record<string, any>} entries @param {readonly string[]} keys */
const picked = (entries, keys) =>
  Object.fromEntries(keys.flatMap((key) => (key in entries ? [[key, entries[key]]] : [])));

/** @param {string} runs @param {string} task @returns {Promise<Buffer | undefined>} undefined for a task without ended runs */
async function keptTask(runs, task) {
  /** @type {string[]} */
  const ended = [];
  for (const folder of runFoldersBelow(join(runs, task)))
    if (await hasEnded(folder)) ended.push(relative(runs, folder));
  if (ended.length === 0) return undefined;
  const known = /** @type {Map<string, string>} */ (new Map());
  const files = ended.flatMap((run) =>
    [...keptFiles(join(runs, run))].map(([name, text]) => {
      const path = join(run, name);
      const same = known.get(text);
      if (same === undefined) known.set(text, path);
      return same === undefined ? { path, text } : { path, as: same };
    }),
  );
  const kept = {
    plan: picked(comparison.readPlan(runs), ended),
    failures: picked(comparison.readFailures(runs), ended),
    stepSeconds: comparison.readStepCosts(runs),
  };
  const lines = [kept, ...files].map((line) => `${JSON.stringify(line)}\n`).join("");
  return brotliCompressSync(lines, { params: PARAMS });
}

/** @param {string} runs @param {string} store */
async function keep(runs, store) {
  mkdirSync(store, { recursive: true });
  const tasks = readdirSync(runs, { withFileTypes: true }).filter((entry) => entry.isDirectory());
  for (const { name } of tasks) {
    const bytes = await keptTask(runs, name);
    if (bytes) writeFileSync(join(store, name + ENDING), bytes);
  }
}

/** @param {string} store @param {string} runs */
function restore(store, runs) {
  for (const name of readdirSync(store).filter((name) => name.endsWith(ENDING))) {
    const lines = brotliDecompressSync(readFileSync(join(store, name)))
      .toString()
      .trimEnd()
      .split("\n");
    const [kept, ...files] = /** @type {[Records, ...KeptFile[]]} */ (lines.map((line) => JSON.parse(line)));
    restoreTask(runs, kept, files);
  }
}

/** @param {string} runs @param {Records} kept @param {readonly KeptFile[]} files */
function restoreTask(runs, kept, files) {
  const outside = files.find(({ path }) => path !== join("/", path).slice(1));
  if (outside) throw new Error(`${outside.path} is no path within a comparison's folder.`);
  const missing = [...new Set(files.map(({ path }) => dirname(path)))].filter((run) => !existsSync(join(runs, run)));
  const texts = /** @type {Map<string, string>} */ (new Map());
  for (const file of files) {
    const text = "text" in file ? file.text : texts.get(file.as);
    if (text === undefined) throw new Error(`The store has no text for ${file.path}.`);
    texts.set(file.path, text);
    if (!missing.includes(dirname(file.path))) continue;
    mkdirSync(dirname(join(runs, file.path)), { recursive: true });
    writeFileSync(join(runs, file.path), text);
  }
  mkdirSync(runs, { recursive: true });
  // Runs that `compare` did not start, but only collects, have no plan.
  const planned = picked(kept.plan, missing);
  if (Object.keys(planned).length > 0) comparison.writePlan(runs, { ...comparison.readPlan(runs), ...planned });
  comparison.writeStepCosts(runs, { ...kept.stepSeconds, ...comparison.readStepCosts(runs) });
  for (const run of missing) comparison.recordFailure(runs, join(runs, run), kept.failures[run]);
}

const { values, positionals } = parseArgs({ options: { restore: { type: "boolean" } }, allowPositionals: true });
const [from, to] = positionals;
if (from === undefined || to === undefined || positionals.length > 2 || !existsSync(from)) {
  console.error(`Usage: node scripts/studies/${basename(import.meta.filename)} RUNS STORE, or --restore STORE RUNS`);
  process.exitCode = 2;
} else if (values.restore) restore(from, to);
else await keep(from, to);

// Writes the tables of docs/results.md from docs/results/*/comparison.json, and these files with one line a run; with --check only compares.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { comparisonTables } from "../../build/js/studies/statistics/comparisonTables.js";
import { markdownTable } from "../../build/js/studies/statistics/renderTable.js";
import { significance } from "../../build/js/studies/statistics/significance.js";
import { significanceTable } from "../../build/js/studies/statistics/significanceTable.js";
import { CLAIMS } from "./claims.js";

/** @typedef {import("../../src/base/records/comparison.js").Comparison} Comparison */
/** @typedef {import("../../src/base/records/comparison.js").SignificanceTest} SignificanceTest */

const root = fileURLToPath(new URL("../../", import.meta.url));
const studies = join(root, "docs/results");

/** The columns of the short table. */
const SHORT = ["lora", "lora+es", "dora", "dora+es", "bidora", "bidora-folds"];

/** @param {string} study */
const pathOf = (study) => join(studies, study, "comparison.json");
/** @param {string} study @returns {Comparison & { readonly tests: readonly SignificanceTest[] }} */
const read = (study) => JSON.parse(readFileSync(pathOf(study), "utf8"));

/** JSON with a line for each entry of a list. @param {object} found */
function compact(found) {
  const parts = Object.entries(found).map(([key, value]) => {
    const isList = Array.isArray(value) && value.length > 0;
    const text = isList ? `[\n${value.map((entry) => JSON.stringify(entry)).join(",\n")}\n]` : JSON.stringify(value);
    return `${JSON.stringify(key)}: ${text}`;
  });
  return `{\n${parts.join(",\n")}\n}\n`;
}

/** @type {{ readonly name: string, readonly goal: "minimize" }} */
const LOSS = { name: "loss", goal: "minimize" };

/**
 * Each task with its main metric and, if the runs have it, the loss, which shows how confident a method is.
 * @param {Comparison} found
 * @returns {Comparison}
 */
const withLoss = ({ tasks, methods, runs, failed, unfinished }) => ({
  methods,
  runs,
  ...(failed && { failed }),
  ...(unfinished && { unfinished }),
  tasks: tasks.map(({ name, metrics: [main, ...others], rows }) => {
    // The loss in the runs' metrics is of the validation rows.
    const isOfThem = rows?.split !== "test" && main.name !== "loss";
    const hasLoss = isOfThem && runs.some((run) => run.task === name && "loss" in run.metrics);
    // Generated texts are scored by several metrics; none of them represents the others.
    const more = main.name === "bleu" ? others : hasLoss ? [LOSS] : [];
    return { name, metrics: [main, ...more] };
  }),
});

/** Whether a test compares BiDoRA with LoRA or DoRA. @param {SignificanceTest} test */
const isOfBidora = ({ a, b }) => b.startsWith("bidora") && /^(lora|dora)/.test(a);

/**
 * BiDoRA's tests over seeds: over all tasks of the study, or of its only task. The notes below them are about the whole family. The tests
 * are computed from the runs with the current code.
 * @param {Comparison} found
 */
function testsTable(found) {
  const overall = significance(found).filter(
    ({ task, test }) => test === "wilcoxon" && (task === undefined || found.tasks.length === 1),
  );
  const table = significanceTable(overall);
  /** @template T @param {readonly T[]} list */
  const ofBidora = (list) => list.filter((_, row) => isOfBidora(/** @type {SignificanceTest} */ (overall[row])));
  return {
    ...table,
    notes: table.notes.filter((note) => !SAID_ONCE.test(note)),
    names: ofBidora(table.names),
    columns: table.columns.map((column) => ({ ...column, cells: ofBidora(column.cells) })),
  };
}

/**
 * The planned comparisons of a study of record, over seeds and rows. They need the runs' predictions, so they are those of the file.
 * @param {string} study
 * @param {{ readonly tests: readonly SignificanceTest[] }} found
 */
function claimsTable(study, { tests }) {
  const isClaimed = (/** @type {SignificanceTest} */ { a, b }) =>
    CLAIMS[study]?.some((pair) => pair.includes(a) && pair.includes(b));
  const table = significanceTable(
    tests.filter((test) => (test.test === "two-level" || test.test === "equivalence") && isClaimed(test)),
  );
  return { ...table, notes: table.notes.filter((note) => !SAID_ONCE.test(note)) };
}

/** Notes of every test, which the page itself has. */
const SAID_ONCE = /^(Tests over the seeds|Differences are positive|The rank-biserial)/;

/** The study whose runs had the machine to themselves; times of other studies mean nothing. */
const QUIET = "cost";
const COSTS = new Set(["Trained parameters", "Time", "Peak memory"]);

/** @param {string} study */
function tablesOf(study) {
  const found = read(study);
  const tables = comparisonTables(withLoss(found)).map((table) => ({
    ...table,
    columns: table.columns.filter(({ title }) => study === QUIET || !COSTS.has(title)),
    notes: table.notes.filter((note) => study === QUIET || !note.startsWith("Time")),
  }));
  const shown = tables.filter(({ columns }) => columns.length > 0);
  const hasTests = study !== QUIET && new Set(found.runs.map(({ seed }) => seed)).size > 1;
  const tests = study in CLAIMS ? claimsTable(study, found) : testsTable(found);
  return [...shown, ...(hasTests ? [tests] : [])].map(markdownTable).join("\n");
}

/** One row per task, with the main metric of the most important methods. */
function shortTable() {
  const rows = readdirSync(studies)
    .filter((study) => study !== QUIET && existsSync(pathOf(study)))
    .flatMap((study) => {
      const found = read(study);
      return found.tasks.map((task) => rowOf(study, found, task));
    });
  return markdownTable({
    heading: "Study, task",
    names: rows.map(({ name }) => name),
    columns: SHORT.map((method, column) => ({
      ...{ group: "", title: method, align: /** @type {const} */ ("right") },
      cells: rows.map(({ cells }) => cells[column] ?? { text: "–", best: false }),
    })),
    notes: [],
  });
}

/**
 * @param {string} study
 * @param {Comparison} found
 * @param {Comparison["tasks"][number]} task
 */
function rowOf(study, { runs, failed = [] }, { name, metrics: [main] }) {
  const kept = runs.filter((run) => run.task === name && SHORT.includes(run.method));
  const lost = failed.filter((run) => run.task === name && SHORT.includes(run.method));
  const methods = SHORT.filter((method) => [...kept, ...lost].some((run) => run.method === method));
  const [table] = comparisonTables({ methods, tasks: [{ name, metrics: [main] }], runs: kept, failed: lost });
  const scores = table?.columns[0]?.cells ?? [];
  return { name: `${study}, ${name}`, cells: SHORT.map((method) => scores[methods.indexOf(method)]) };
}

const PLACE = /(<!-- generated: results( [\w-]+)? -->\n)[\s\S]*?(<!-- end of generated -->)/g;

const page = join(root, "docs/results.md");
const tables = readFileSync(page, "utf8").replace(PLACE, (_, begin, study, end) => {
  const tables = study ? tablesOf(study.trim()) : shortTable();
  return `${begin}\n${tables}\n${end}`;
});
const studyFiles = readdirSync(studies).filter((study) => existsSync(pathOf(study)));
/** @type {[string, string][]} */
const written = [
  [page, tables],
  ...studyFiles.map((study) => /** @type {[string, string]} */ ([pathOf(study), compact(read(study))])),
];
for (const [path, content] of written) {
  if (!process.argv.includes("--check")) writeFileSync(path, content);
  else if (readFileSync(path, "utf8") !== content) {
    console.error(`${path} is out of date; run: npm run generate`);
    process.exitCode = 1;
  }
}

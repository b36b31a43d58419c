// Writes the tables and claims of docs/results.md and its appendix from docs/results/*/comparison.json, and these files with one line a run; with --check only compares.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { comparisonTables } from "../../build/js/studies/tables/comparisonTables.js";
import { markdownTable } from "../../build/js/studies/tables/renderTable.js";
import { claimsOf } from "./claims.js";

/** @typedef {import("../../src/base/records/comparison.js").Comparison} Comparison */
/** @typedef {import("../../src/base/records/comparisonTests.js").SignificanceTest} SignificanceTest */
/** @typedef {Comparison & { readonly tests: readonly SignificanceTest[] }} Study */

const root = fileURLToPath(new URL("../../", import.meta.url));
const studies = join(root, "docs/results");

/** @param {string} study */
const pathOf = (study) => join(studies, study, "comparison.json");
/** @param {string} study @returns {Study} */
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

/** Each task with its main metric and the loss, which shows how confident a method is. @param {Study} found @returns {Comparison} */
const withLoss = ({ tasks, ...found }) => ({
  ...found,
  tasks: tasks.map(({ metrics: [main], ...task }) => ({ ...task, metrics: [main, LOSS] })),
});

/** The study whose runs had the machine to themselves; times of other studies mean nothing. */
const QUIET = "cost";
const COSTS = new Set(["Time", "Peak memory"]);

/** Notes below a table; the pages say once what all tables have in common, and settings are in the study's files. */
const NOTES = /^(On .* no better than|Processor: )/;

/** The table of all tasks, which is the only one of a study with one task, and the claims. @param {string} study */
function tablesOf(study) {
  const found = read(study);
  const [table] = comparisonTables(withLoss(found));
  const shown = {
    ...table,
    columns: table.columns.filter(({ title }) => study === QUIET || !COSTS.has(title)),
    notes: table.notes.filter((note) => NOTES.test(note) || (study === QUIET && note.startsWith("Time"))),
  };
  return [markdownTable(shown), ...claimsOf(study, found)].join("\n");
}

const PLACE = /(<!-- generated: results ([\w-]+) -->\n)[\s\S]*?(<!-- end of generated -->)/g;

const pages = ["docs/results.md", "docs/results/appendix.md"].map((page) => join(root, page));
/** @param {string} page */
const withTables = (page) =>
  readFileSync(page, "utf8").replace(PLACE, (_, begin, study, end) => `${begin}\n${tablesOf(study)}\n${end}`);
const studyFiles = readdirSync(studies).filter((study) => existsSync(pathOf(study)));
/** @type {[string, string][]} */
const written = [
  ...pages.map((page) => /** @type {[string, string]} */ ([page, withTables(page)])),
  ...studyFiles.map((study) => /** @type {[string, string]} */ ([pathOf(study), compact(read(study))])),
];
for (const [path, content] of written) {
  if (!process.argv.includes("--check")) writeFileSync(path, content);
  else if (readFileSync(path, "utf8") !== content) {
    console.error(`${path} is out of date; run: npm run generate`);
    process.exitCode = 1;
  }
}

// Writes the tables and claims of docs/results.md from docs/results/*/comparison.json, and these files with one line a run; with --check only compares.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { comparisonTables } from "../../build/js/studies/tables/comparisonTables.js";
import { markdownTable, NOTHING } from "../../build/js/studies/tables/renderTable.js";
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

/** @param {string} study */
function tablesOf(study) {
  const found = read(study);
  const tables = comparisonTables(withLoss(found)).map((table) => ({
    ...table,
    columns: table.columns.filter(({ title }) => study === QUIET || !COSTS.has(title)),
    notes: table.notes.filter((note) => study === QUIET || !note.startsWith("Time")),
  }));
  const shown = tables.filter(({ columns }) => columns.length > 0);
  return [...shown.map(markdownTable), ...tuningTable(found), ...claimsOf(study, found)].join("\n");
}

/** The held-out scores that chose among points, if they did so for several methods. @param {Study} found */
function tuningTable({ tasks, tuning: points = [], methods: all }) {
  const tuning = tasks.flatMap(({ name }) => points.filter(({ task }) => task === name));
  const methods = all.filter((name) => tuning.some(({ method }) => method === name));
  if (methods.length < 2) return [];
  const [settings] = tuning.map(({ point }) => Object.keys(point).join(", "));
  const titleOf = (/** @type {(typeof tuning)[number]} */ { task, point }) =>
    `${task}: ${Object.values(point).join(", ")}`;
  const columns = [...new Set(tuning.map(titleOf))].map((title) => ({
    ...{ group: "", title, align: /** @type {const} */ ("right") },
    cells: methods.map((name) => {
      const found = tuning.find((one) => one.method === name && titleOf(one) === title);
      return { text: found?.score?.toFixed(3) ?? NOTHING, best: found?.chosen ?? false };
    }),
  }));
  const notes = [`Scores on held-out rows by ${settings}; the chosen ones are bold.`];
  return [markdownTable({ heading: "Method", names: methods, columns, notes })];
}

const PLACE = /(<!-- generated: results ([\w-]+) -->\n)[\s\S]*?(<!-- end of generated -->)/g;

const page = join(root, "docs/results.md");
const tables = readFileSync(page, "utf8").replace(
  PLACE,
  (_, begin, study, end) => `${begin}\n${tablesOf(study)}\n${end}`,
);
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

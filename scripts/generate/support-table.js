// Writes the tables that come from built registries into documentation: models and tasks, and the estimators of the hypergradient; with
// --check only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { renderEstimatorTable, renderSupportTable } from "../../build/js/cli/generatedDocs.js";

const TABLES = [
  { file: "docs/models.md", name: "support", table: renderSupportTable() },
  { file: "docs/method.md", name: "estimators", table: renderEstimatorTable() },
];

for (const { file, name, table } of TABLES) {
  const path = new URL(`../../${file}`, import.meta.url);
  const place = new RegExp(`(<!-- generated: ${name} -->\\n)[\\s\\S]*?(<!-- end of generated -->)`);
  const before = readFileSync(path, "utf8");
  if (!place.test(before)) throw new Error(`${file} has no place marked <!-- generated: ${name} -->.`);
  const after = before.replace(place, (_, begin, end) => `${begin}\n${table}\n\n${end}`);
  if (!process.argv.includes("--check")) writeFileSync(path, after);
  else if (before !== after) {
    console.error(`The table of ${name} in ${file} is out of date; run: npm run generate`);
    process.exitCode = 1;
  }
}

// Writes the table of models and tasks into docs/models.md, from the built registries; with --check only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { renderSupportTable } from "../../build/js/cli/generatedDocs.js";

const path = new URL("../../docs/models.md", import.meta.url);
const place = /(<!-- generated: support -->\n)[\s\S]*?(<!-- end of generated -->)/;
const before = readFileSync(path, "utf8");
if (!place.test(before)) throw new Error("docs/models.md has no place marked <!-- generated: support -->.");
const after = before.replace(place, (_, begin, end) => `${begin}\n${renderSupportTable()}\n\n${end}`);
if (!process.argv.includes("--check")) writeFileSync(path, after);
else if (before !== after) {
  console.error("The table of models in docs/models.md is out of date; run: npm run generate");
  process.exitCode = 1;
}

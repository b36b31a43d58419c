// Writes docs/options.md from the option tables of the built command line; with --check only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { renderOptionsDoc } from "../../build/js/cli/generatedDocs.js";

const path = new URL("../../docs/options.md", import.meta.url);
const text = await renderOptionsDoc();
if (!process.argv.includes("--check")) writeFileSync(path, text);
else if (readFileSync(path, "utf8") !== text) {
  console.error("docs/options.md is out of date; run: npm run generate");
  process.exitCode = 1;
}

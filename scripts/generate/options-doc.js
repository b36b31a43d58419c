// Writes docs/options.md from the option tables of the built command line; with --check only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { COMMANDS } from "../../build/js/app/cli/commands.js";
import { defaultText, helpText } from "../../build/js/app/cli/help.js";
import { flagOf } from "../../build/js/base/settings/option.js";
import { METHODS } from "../../build/js/tasks/config/index.js";

/** The text of `docs/options.md`: every option of every command, from the same tables as the flags themselves. */
async function renderOptionsDoc() {
  const sections = [];
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    const { usage, about, options } = await load();
    sections.push(
      `## ${name}`,
      about,
      `\`bidora ${usage}\``,
      renderTable(Object.entries(options).filter(([, { positional }]) => !positional)),
    );
  }
  sections.push("## Methods", "The values of `--method`.", renderMethods());
  const intro =
    "Flags are kebab-case; in YAML and TypeScript the same words are camelCase. A switch is turned off by `--no-…`.";
  return `${["# Options", intro, ...sections].join("\n\n")}\n`;
}
function renderTable(entries) {
  const rows = entries.map(
    ([key, option]) =>
      `| \`${flagOf(key)}\` | ${cell(option.takes)} | ${cell(helpText(option))} | ${cell(defaultText(option))} |`,
  );
  return ["| flag | takes | what it is | default |", "|---|---|---|---|", ...rows].join("\n");
}
function renderMethods() {
  const rows = Object.entries(METHODS).map(
    ([name, { about, learningRate }]) => `| \`${name}\` | ${about} | ${learningRate.toExponential()} |`,
  );
  return ["| method | trains | default learning rate |", "|---|---|---|", ...rows].join("\n");
}
const cell = (text) => text.replaceAll("|", "\\|");

const path = new URL("../../docs/options.md", import.meta.url);
const text = await renderOptionsDoc();
if (!process.argv.includes("--check")) writeFileSync(path, text);
else if (readFileSync(path, "utf8") !== text) {
  console.error("docs/options.md is out of date; run: npm run generate");
  process.exitCode = 1;
}

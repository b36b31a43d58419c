// Writes docs/options.md from the option tables of the built command line; with --check only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { group } from "d3-array";
import { COMMANDS } from "../../build/js/app/cli/commands.js";
import { defaultText, helpText } from "../../build/js/app/cli/help.js";
import { flagOf } from "../../build/js/base/settings/option.js";
import { METHODS } from "../../build/js/tasks/config/index.js";

/** @typedef {{ readonly commands: readonly string[], readonly flag: string, readonly group: string, readonly takes: string, readonly help: string, readonly given: string }} Row */

const commands = await Promise.all(
  Object.entries(COMMANDS).map(async ([name, { load }]) => ({ name, ...(await load()) })),
);
/** The commands that take the settings of a run. */
const TRAINING = commands.filter(({ options }) => "learningRate" in options).map(({ name }) => name);

/** Every option of every command; commands in which an option is the same share a row. @returns {Row[]} */
function allRows() {
  const single = commands.flatMap(({ name, options }) =>
    Object.entries(options)
      .filter(([, { positional }]) => !positional)
      .map(([key, option]) => ({
        ...{ command: name, flag: flagOf(key), group: option.group, takes: option.takes },
        ...{ help: helpText(option), given: defaultText(option) },
      })),
  );
  const alike = group(single, ({ flag, takes, help, given }) => JSON.stringify([flag, takes, help, given]));
  return [...alike.values()].map((rows) => ({ ...rows[0], commands: rows.map(({ command }) => command) }));
}

/** "training" stands for all commands that take a run's settings. @param {readonly string[]} names */
function commandsText(names) {
  if (names.length === commands.length) return "all";
  const missing = TRAINING.filter((name) => !names.includes(name));
  if (missing.length > 2) return names.join(", ");
  const others = names.filter((name) => !TRAINING.includes(name));
  return [`*training*${missing.length > 0 ? ` without ${missing.join(", ")}` : ""}`, ...others].join(", ");
}

/** What a flag is in most of its commands, then how it differs in others. @param {readonly Row[]} variants */
function flagRow(variants) {
  const [usual, ...others] = [...variants].sort((a, b) => b.commands.length - a.commands.length);
  const cellOf = (/** @type {"takes" | "help" | "given"} */ key) =>
    [
      usual[key],
      ...others
        .filter((other) => other[key] !== usual[key])
        .map((other) => `*${commandsText(other.commands)}*: ${remainder(usual[key], other[key])}`),
    ].join("<br>");
  const names = commands.map(({ name }) => name).filter((name) => variants.some((one) => one.commands.includes(name)));
  return [`\`${usual.flag}\``, cellOf("takes"), cellOf("help"), cellOf("given"), commandsText(names)];
}

/** The clauses that are not in the usual text. @param {string} usual @param {string} other */
function remainder(usual, other) {
  const known = usual.split("; ");
  const rest = other.split("; ").filter((clause) => !known.includes(clause));
  return rest.join("; ") || (other === "" ? "none" : "always");
}

/** @param {readonly string[]} titles @param {readonly (readonly string[])[]} rows */
const table = (titles, rows) =>
  [titles, titles.map(() => "---"), ...rows]
    .map((cells) => `| ${cells.map((cell) => cell.replaceAll("|", "\\|")).join(" | ")} |`)
    .join("\n");

function render() {
  const byGroup = group(group(allRows(), ({ flag }) => flag).values(), (variants) => variants[0].group);
  const flags = Array.from(byGroup, ([name, found]) => [
    `## ${name}`,
    table(["flag", "takes", "what it is", "default", "commands"], found.map(flagRow)),
  ]);
  const methods = Object.entries(METHODS).map(([name, { about, learningRate }]) => [
    `\`${name}\``,
    about,
    learningRate.toExponential(),
  ]);
  return `${[
    "# Options",
    "Flags are kebab-case; in YAML and TypeScript the same words are camelCase. A switch is turned off by `--no-…`.",
    `Text after a command's name says how the flag differs there. *training* stands for ${TRAINING.join(", ")}.`,
    "## Commands",
    table(
      ["command", "what it does"],
      commands.map(({ usage, about }) => [`\`${usage}\``, about]),
    ),
    ...flags.flat(),
    "## Methods",
    "The values of `--method`.",
    table(["method", "trains", "default learning rate"], methods),
  ].join("\n\n")}\n`;
}

const path = new URL("../../docs/options.md", import.meta.url);
const text = render();
if (!process.argv.includes("--check")) writeFileSync(path, text);
else if (readFileSync(path, "utf8") !== text) {
  console.error("docs/options.md is out of date; run: npm run generate");
  process.exitCode = 1;
}

// Writes the tables that come from built registries into documentation: models and tasks, the estimators of the hypergradient, and
// what an upper level can train; with --check only compares.
import { readFileSync, writeFileSync } from "node:fs";
import { ARCHITECTURES } from "../../build/js/models/architectures.js";
import { findDesign } from "../../build/js/models/index.js";
import { ESTIMATOR_FACTS, methodNames } from "../../build/js/tasks/config/index.js";
import { UPPER_GROUPS } from "../../build/js/tasks/config/upperGroups.js";
import { TASKS } from "../../build/js/tasks/index.js";

const cell = (text) => text.replaceAll("|", "\\|");

/** Which model can be trained for what, from the registries: a table in Markdown. */
function renderSupportTable() {
  const tasks = Object.entries(TASKS);
  const head = ["`model_type`", ...tasks.map(([kind]) => `\`${kind}\``), "`--target-modules` by default"];
  const rows = Object.entries(ARCHITECTURES).map(([type, architecture]) => [
    `\`${type}\``,
    ...tasks.map(([, { head }]) => (findDesign(architecture, head) ? "yes" : "")),
    architecture.defaultTargetModules.map((name) => `\`${name}\``).join(", "),
  ]);
  return [head, head.map(() => "---"), ...rows].map((cells) => `| ${cells.join(" | ")} |`).join("\n");
}
/** The estimators of the hypergradient, and the passes over rows that each costs: a table in Markdown. */
function renderEstimatorTable() {
  const rows = Object.entries(ESTIMATOR_FACTS).map(([name, { secondTerm, passes }]) => {
    const { fixed, perTerm } = passes;
    const again = [perTerm > 0 ? "K" : "", fixed > 0 || perTerm === 0 ? String(fixed) : ""].filter(Boolean).join(" + ");
    return `| \`${name}\` | ${cell(secondTerm)} | ${again} |`;
  });
  return [
    "| `--hypergradient` | second term | passes over the last lower step's rows |",
    "|---|---|---|",
    ...rows,
  ].join("\n");
}

/** What an upper level can train, and with which methods: a table in Markdown. */
function renderGroupTable() {
  const rows = Object.entries(UPPER_GROUPS).map(([name, { about, methods }]) => {
    const named =
      methods.length === methodNames.length ? "all but `bidora`" : methods.map((method) => `\`${method}\``).join(", ");
    return `| \`${name}\` | ${cell(about)} | ${named} |`;
  });
  return ["| `--upper` | the upper level trains | `--method` |", "|---|---|---|", ...rows].join("\n");
}

const TABLES = [
  { file: "docs/models.md", name: "support", table: renderSupportTable() },
  { file: "docs/method.md", name: "estimators", table: renderEstimatorTable() },
  { file: "docs/method.md", name: "groups", table: renderGroupTable() },
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

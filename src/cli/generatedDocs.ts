/** The generated parts of the documentation: docs/options.md and the table of supported models. */
import { ESTIMATOR_FACTS, METHODS } from "../config/index.js";
import { ARCHITECTURES, findDesign } from "../models/index.js";
import { flagOf, type Option } from "../settings/option.js";
import { TASKS } from "../tasks/index.js";
import { COMMANDS } from "./commands.js";
import { defaultText, helpText } from "./help.js";

/** The text of `docs/options.md`: every option of every command, from the same tables as the flags themselves. */
export async function renderOptionsDoc(): Promise<string> {
  const sections: string[] = [];
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    const { usage, about, options } = await load();
    sections.push(
      `## ${name}`,
      about,
      `\`bidora ${usage}\``,
      renderTable(Object.entries<Option>(options).filter(([, { positional }]) => !positional)),
    );
  }
  sections.push("## Methods", "The values of `--method`.", renderMethods());
  const intro =
    "Flags are kebab-case; in YAML and TypeScript the same words are camelCase. A switch is turned off by `--no-…`.";
  return `${["# Options", intro, ...sections].join("\n\n")}\n`;
}

function renderTable(entries: readonly (readonly [string, Option])[]): string {
  const rows = entries.map(
    ([key, option]) =>
      `| \`${flagOf(key)}\` | ${cell(option.takes)} | ${cell(helpText(option))} | ${cell(defaultText(option))} |`,
  );
  return ["| flag | takes | what it is | default |", "|---|---|---|---|", ...rows].join("\n");
}

function renderMethods(): string {
  const rows = Object.entries(METHODS).map(
    ([name, { about, learningRate }]) => `| \`${name}\` | ${about} | ${learningRate.toExponential()} |`,
  );
  return ["| method | trains | default learning rate |", "|---|---|---|", ...rows].join("\n");
}

const cell = (text: string): string => text.replaceAll("|", "\\|");

/** Which model can be trained for what, from the registries: a table in Markdown. */
export function renderSupportTable(): string {
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
export function renderEstimatorTable(): string {
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

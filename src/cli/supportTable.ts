import { ARCHITECTURES, findDesign } from "../models/index.js";
import { TASKS } from "../tasks/index.js";

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

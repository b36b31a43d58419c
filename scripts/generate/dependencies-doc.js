// Writes the tables of docs/dependencies.md from package-lock.json and the reasons in scripts/dependencies; with --check only compares.
// A dependency without a reason, or with a license that is not allowed, is an error.
import { readFileSync, writeFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { dependencies, nameOf, problems } from "../dependencies/tree.js";

const page = new URL("../../docs/dependencies.md", import.meta.url);
const json = (/** @type {string} */ path) => JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8"));

const { packages } = json("../../package-lock.json");
const reasons = json("../dependencies/reasons.json");
const found = dependencies(packages, fileURLToPath(new URL("../../src", import.meta.url)));
const wrong = problems(packages, found, reasons);
if (wrong.length > 0) throw new Error(`${wrong.join("; ")}.`);

/** @param {readonly import("../dependencies/tree.js").Dependency[]} list */
function table(list) {
  const rows = list.map(({ name, license, brings }) => {
    const names = [...new Set(brings.map(nameOf))].sort();
    const more = names.length > 8 ? `${names.length} packages` : names.map((one) => `\`${one}\``).join(", ");
    return `| \`${name}\` | ${license} | ${reasons[name]} | ${more} |`;
  });
  return ["| package | license | what for | brings |", "| --- | --- | --- | --- |", ...rows].join("\n");
}

const before = readFileSync(page, "utf8");
let after = before;
for (const [kind, list] of Object.entries(found)) {
  const place = new RegExp(`(<!-- generated: ${kind} -->\\n)[\\s\\S]*?(<!-- end of generated -->)`);
  if (!place.test(before)) throw new Error(`docs/dependencies.md has no place marked <!-- generated: ${kind} -->.`);
  after = after.replace(place, (_, begin, end) => `${begin}\n${table(list)}\n\n${end}`);
}
if (!process.argv.includes("--check")) writeFileSync(page, after);
else if (before !== after) {
  console.error("docs/dependencies.md is out of date; run: npm run generate");
  process.exitCode = 1;
}

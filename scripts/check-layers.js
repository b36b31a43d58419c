// The import rule: folders are layers, imports only point downward, and there are no import cycles. Packages import neither each other
// nor src by path. Prints each import that breaks the rule; exit status 1 if there is one.
// Usage: node scripts/check-layers.js [FOLDER]   (src by default)
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, normalize } from "node:path";
import { fileURLToPath } from "node:url";

/** The folders of src, lowest first; a folder imports from itself and from those in earlier lines. */
const ORDER = [
  ["common"],
  ["files"],
  ["settings"],
  ["torch"],
  ["operators"],
  ["optim", "tangents"],
  ["text"],
  ["io"],
  ["nn"],
  ["models", "adapters"],
  ["generation"],
  ["data", "metrics", "retrieval"],
  ["tasks"],
  ["datasets"],
  ["config"],
  ["evaluation"],
  ["inference"],
  ["export", "server"],
  ["train"],
  ["inference"],
  ["run", "export", "quickstart", "setup", "server", "launcher"],
  ["statistics"],
  ["report"],
  ["dashboard"],
  ["comparison", "analysis"],
  ["run", "analysis", "quickstart", "setup", "launcher"],
  ["commands"],
  ["cli", "index.ts"],
];

/** @type {Readonly<Record<string, number>>} */
const LAYERS = Object.fromEntries(ORDER.flatMap((folders, layer) => folders.map((folder) => [folder, layer])));

/** Folders that only read the files of runs and comparisons, with all that they may import. */
const READS_ONLY = {
  report: new Set(["common", "files", "statistics"]),
  statistics: new Set(["common", "files", "metrics", "config"]),
  dashboard: new Set(["common", "files", "report"]),
};

/** @typedef {{ from: string, to: string, line: number, text: string }} Import */

/**
 * The folder of src that a file is in, or the file itself if it is directly in src.
 * @param {string} file path within src
 */
const folderOf = (file) => file.split("/")[0] ?? "";

const STATIC = /^[ \t]*(?:import|export)\b(?:[^;"'()]*?\bfrom)?\s*["'](\.[^"']+)["']/gm;
const DYNAMIC = /\bimport\(\s*["'](\.[^"']+)["']\s*\)/g;

/**
 * The relative imports of one file.
 * @param {string} file path within src
 * @param {string} source
 * @returns {Import[]}
 */
function importsOf(file, source) {
  return [STATIC, DYNAMIC].flatMap((form) =>
    [...source.matchAll(form)].map((match) => ({
      from: file,
      to: normalize(join(dirname(file), match[1] ?? "")).replace(/\.js$/, ".ts"),
      line: source.slice(0, match.index + match[0].length).split("\n").length,
      text: match[0].trim().replace(/\s+/g, " "),
    })),
  );
}

/**
 * What is wrong with an import, or undefined when it keeps the rule.
 * @param {Import} found
 */
function violationOf(found) {
  const [from, to] = [folderOf(found.from), folderOf(found.to)];
  if (found.to.startsWith("..")) return "leaves src";
  if (from === to || !(from in LAYERS)) return undefined;
  const only = READS_ONLY[from];
  if (only && !only.has(to)) return `${from} may not import ${found.to}`;
  return LAYERS[to] < LAYERS[from]
    ? undefined
    : `${from} (layer ${LAYERS[from]}) may not import ${to} (layer ${LAYERS[to]})`;
}

/**
 * The first cycle among the files, imports of types included, as a path that ends where it begins, or undefined.
 * @param {readonly Import[]} imports
 */
function findCycle(imports) {
  /** @type {Map<string, string[]>} */
  const next = new Map();
  for (const { from, to } of imports) next.set(from, [...(next.get(from) ?? []), to]);
  const done = new Set();
  /** @type {(file: string, path: readonly string[]) => string[] | undefined} */
  const visit = (file, path) => {
    if (path.includes(file)) return [...path.slice(path.indexOf(file)), file];
    if (done.has(file)) return undefined;
    for (const target of next.get(file) ?? []) {
      const cycle = visit(target, [...path, file]);
      if (cycle) return cycle;
    }
    done.add(file);
    return undefined;
  };
  for (const file of next.keys()) {
    const cycle = visit(file, []);
    if (cycle) return cycle;
  }
  return undefined;
}

/**
 * The relative imports of a folder's TypeScript files, and the files.
 * @param {string} root
 */
function read(root) {
  const files = readdirSync(root, { recursive: true, encoding: "utf8" }).filter((name) => name.endsWith(".ts"));
  return { files, imports: files.flatMap((file) => importsOf(file, readFileSync(join(root, file), "utf8"))) };
}

/** Imports by which a workspace's sources leave its folder. */
function strayImports() {
  const packages = fileURLToPath(new URL("../packages/", import.meta.url));
  const withSources = readdirSync(packages).filter((name) => existsSync(join(packages, name, "src")));
  return withSources.flatMap((name) =>
    read(join(packages, name, "src"))
      .imports.filter(({ to }) => to.startsWith(".."))
      .map(({ from, line, text }) => `packages/${name}/src/${from}:${line}: leaves the package: ${text}`),
  );
}

function main() {
  const root = process.argv[2] ?? fileURLToPath(new URL("../src/", import.meta.url));
  const { files, imports } = read(root);
  const homeless = files.filter((file) => !(folderOf(file) in LAYERS));
  const broken = process.argv[2] === undefined ? strayImports() : [];
  broken.push(...homeless.map((file) => `src/${file}: ${folderOf(file)} has no layer yet: add it to ORDER`));
  for (const found of imports) {
    const why = violationOf(found);
    if (why) broken.push(`src/${found.from}:${found.line}: ${why}: ${found.text}`);
  }
  const cycle = findCycle(imports);
  if (cycle) broken.push(`Import cycle: ${cycle.join(" -> ")}`);
  for (const line of broken) console.error(line);
  process.exitCode = broken.length > 0 ? 1 : 0;
}

main();

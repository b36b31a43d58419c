// The packages that bidora needs: those that npm installs with it, and those whose code is part of its bundle.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** @typedef {{ version?: string, license?: string, resolved?: string, link?: boolean, dependencies?: Record<string, string>,
 *   optionalDependencies?: Record<string, string>, devDependencies?: Record<string, string>, peerDependencies?: Record<string, string> }} Entry */
/** @typedef {Record<string, Entry>} Packages the `packages` of a lock file: entries by folder, "" for the root's */
/** @typedef {{ name: string, folder: string, version: string, license: string, brings: string[] }} Dependency `brings`: folders of what it needs itself */

/** Licenses that go with Apache-2.0 and ask for no more than the notice. */
const ALLOWED = new Set([
  "0BSD",
  "Apache-2.0",
  "BSD-2-Clause",
  "BSD-3-Clause",
  "BSL-1.0",
  "BlueOak-1.0.0",
  "ISC",
  "MIT",
  "Unlicense",
]);

const isAllowed = (/** @type {Entry} */ { license = "" }) => license.split(" AND ").every((one) => ALLOWED.has(one));

/** The name of the package in a folder: the part after the last `node_modules/`. */
export const nameOf = (/** @type {string} */ folder) => folder.slice(folder.lastIndexOf("node_modules/") + 13);

/** Where Node finds a package from a folder. @param {Packages} packages @param {string} from @param {string} name */
function resolve(packages, from, name) {
  for (let folder = from; ; folder = folder.slice(0, Math.max(folder.lastIndexOf("/node_modules/"), 0))) {
    const found = `${folder ? `${folder}/` : ""}node_modules/${name}`;
    if (packages[found]) return found;
    if (folder === "") return undefined;
  }
}

/** The entry of a folder, that of the workspace for a link. @param {Packages} packages @param {string} folder @returns {Entry} */
const entryAt = (packages, folder) => {
  const entry = packages[folder] ?? {};
  return entry.link && entry.resolved ? (packages[entry.resolved] ?? {}) : entry;
};

/** The folders of all that the package in a folder needs. @param {Packages} packages @param {string} folder */
export function broughtBy(packages, folder) {
  const found = new Set([folder]);
  for (const at of found) {
    const { dependencies, optionalDependencies } = entryAt(packages, at);
    for (const name of Object.keys({ ...dependencies, ...optionalDependencies })) {
      const needed = resolve(packages, at, name);
      if (needed) found.add(needed);
    }
  }
  return [...found].slice(1);
}

/**
 * Packages that the root names, with what they bring.
 * @param {Packages} packages @param {readonly string[]} names
 * @returns {Dependency[]}
 */
const named = (packages, names) =>
  [...names].sort().map((name) => {
    const folder = resolve(packages, "", name) ?? "";
    const { version = "", license = "" } = entryAt(packages, folder);
    return { name, folder, version, license, brings: broughtBy(packages, folder) };
  });

/** The packages that TypeScript files in a folder import. @param {string} folder */
function importedIn(folder) {
  const sources = readdirSync(folder, { recursive: true, encoding: "utf8" })
    .filter((name) => name.endsWith(".ts"))
    .map((name) => readFileSync(join(folder, name), "utf8"));
  const imports = sources.flatMap((text) => [...text.matchAll(/\b(?:from |import\()"((?:@[\w-]+\/)?[\w.-]+)[^"]*"/g)]);
  return new Set(imports.map(([, name]) => name));
}

/**
 * @param {Packages} packages @param {string} sources the folder of the sources
 * @returns {{ installed: Dependency[], bundled: Dependency[], optional: Dependency[] }}
 */
export function dependencies(packages, sources) {
  const root = packages[""] ?? {};
  const imported = importedIn(sources);
  const peers = root.peerDependencies ?? {};
  const bundled = Object.keys(root.devDependencies ?? {}).filter((name) => imported.has(name) && !(name in peers));
  return {
    installed: named(packages, Object.keys(root.dependencies ?? {})),
    bundled: named(packages, bundled),
    optional: named(packages, Object.keys(peers)),
  };
}

/** What is wrong with the packages: no reason, a license that is not allowed. @param {Packages} packages @param {ReturnType<typeof dependencies>} found @param {Record<string, string>} reasons */
export function problems(packages, found, reasons) {
  const all = Object.values(found).flat();
  const names = new Set(all.map(({ name }) => name));
  const folders = new Set(all.flatMap(({ folder, brings }) => [folder, ...brings]));
  return [
    ...[...names].filter((name) => !reasons[name]).map((name) => `${name} has no reason in reasons.json`),
    ...Object.keys(reasons)
      .filter((name) => !names.has(name))
      .map((name) => `reasons.json has ${name}, which is not a dependency`),
    ...[...folders]
      .filter((folder) => !isAllowed(entryAt(packages, folder)))
      .map((folder) => `${nameOf(folder)} has the license ${entryAt(packages, folder).license}`),
  ];
}

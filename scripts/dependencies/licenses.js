// A plugin of rolldown that adds the licenses of the packages in a bundle, each text once.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { dirname, join, resolve } from "node:path";
import { broughtBy } from "./tree.js";

/** Packages whose files hold the code of those that they need. */
const PREBUILT = ["node_modules/linkedom", "node_modules/read-excel-file"];

/** The folders of the packages that those are built from. */
function prebuiltFolders() {
  const { packages } = JSON.parse(readFileSync("package-lock.json", "utf8"));
  return PREBUILT.flatMap((folder) => broughtBy(packages, folder)).map((folder) => resolve(folder));
}

/** The folder of the package that a file belongs to. @param {string} file @returns {string} */
const packageOf = (file) =>
  existsSync(join(file, "package.json")) && isPackage(file) ? file : packageOf(dirname(file));

/** Folders within a package can have a package.json without a name, or with a path as its name. */
const isPackage = (/** @type {string} */ folder) => /^(@[^/]+\/)?[^/]+$/.test(nameIn(folder) ?? "");

const nameIn = (/** @type {string} */ folder) => manifestOf(folder).name;

/** @param {string} folder @returns {{ name?: string, version?: string, license?: string }} */
const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

/** The license and notice that come with a package, or the license's name. @param {string} folder */
function termsOf(folder) {
  const files = readdirSync(folder).filter((name) => /^(licen[cs]e|notice|copying)(\.\w+)?$/i.test(name));
  const texts = files.sort().map((name) => readFileSync(join(folder, name), "utf8").trim());
  return texts.length > 0 ? texts.join("\n\n") : `License: ${manifestOf(folder).license}`;
}

/** @param {readonly string[]} folders of packages */
function text(folders) {
  /** @type {Map<string, string[]>} */
  const names = new Map();
  for (const folder of folders) {
    const { name, version } = manifestOf(folder);
    const terms = termsOf(folder);
    names.set(terms, [...(names.get(terms) ?? []), `${name} ${version}`]);
  }
  const rule = "-".repeat(80);
  return [...names].map(([terms, packages]) => `${packages.join("\n")}\n\n${terms}\n`).join(`\n${rule}\n\n`);
}

/** @param {string} fileName of the licenses @returns {import("rolldown").Plugin} */
export const licensesOfBundle = (fileName) => ({
  name: "licenses",
  generateBundle(_, bundle) {
    const chunks = Object.values(bundle).filter((output) => output.type === "chunk");
    const files = chunks.flatMap(({ moduleIds }) => moduleIds).filter((id) => existsSync(id));
    const folders = [...new Set([...files.map((file) => packageOf(dirname(file))), ...prebuiltFolders()])].sort();
    const others = folders.filter((folder) => nameIn(folder) !== "bidora");
    this.emitFile({ type: "asset", fileName, source: text(others) });
  },
});

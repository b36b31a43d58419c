// The packages that a release publishes, as their package.json files describe them.
import { existsSync, readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";

/** @typedef {{ name: string, version: string, license?: string, workspaces?: string[],
 *   dependencies?: Record<string, string>, optionalDependencies?: Record<string, string> }} Manifest */

/** @returns {Manifest} */
export function manifestOf(/** @type {string} */ folder) {
  return JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));
}

/** The folders of the packages: the workspaces', and the root's last, since it depends on the others. */
export function packageFolders(/** @type {string} */ root) {
  const inside = join(root, "packages");
  const folders = readdirSync(inside).map((name) => join(inside, name));
  return [...folders.filter((folder) => existsSync(join(folder, "package.json"))), root];
}

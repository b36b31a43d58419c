// Publishes the packages' tarballs from a folder, bidora last: node scripts/release/publish.js FOLDER [--dry-run]
// A version that the registry has already is passed over, so that a release that failed halfway can be repeated.
import { execFileSync, spawnSync } from "node:child_process";
import { readdirSync } from "node:fs";
import { join, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { manifestOf, packageFolders } from "./workspaces.js";

/** @typedef {import("./workspaces.js").Manifest & { file: string }} Tarball */

const root = fileURLToPath(new URL("../..", import.meta.url));

/** @returns {Tarball} */
function tarball(/** @type {string} */ file) {
  const manifest = execFileSync("tar", ["-xzOf", file, "package/package.json"], { encoding: "utf8" });
  return { ...JSON.parse(manifest), file };
}

/** The tarballs in the order of `packageFolders`. @throws Error if one is missing or has another version than the repository */
function tarballsOf(/** @type {string} */ folder) {
  const files = readdirSync(folder).filter((name) => name.endsWith(".tgz"));
  const packed = new Map(files.map((name) => tarball(join(folder, name))).map((found) => [found.name, found]));
  return packageFolders(root).map((source) => {
    const { name, version } = manifestOf(source);
    const found = packed.get(name);
    if (!found) throw new Error(`${folder} has no tarball of ${name}.`);
    if (found.version !== version) throw new Error(`${found.file} has version ${found.version} instead of ${version}.`);
    return found;
  });
}

function isPublished(/** @type {Tarball} */ { name, version }) {
  const { stdout } = spawnSync("npm", ["view", `${name}@${version}`, "version"], { encoding: "utf8" });
  return stdout.trim() !== "";
}

function publish(/** @type {Tarball} */ { name, version, file }, /** @type {string[]} */ how) {
  console.log(`==> ${name} ${version}`);
  const tag = version.includes("-") ? "next" : "latest";
  execFileSync("npm", ["publish", file, "--access", "public", "--tag", tag, ...how], { stdio: "inherit" });
}

const [folder, ...options] = process.argv.slice(2);
if (!folder || options.some((option) => option !== "--dry-run")) {
  throw new Error("usage: node scripts/release/publish.js FOLDER [--dry-run]");
}
const how = options.length > 0 ? options : ["--provenance"];
// npm takes a relative path such as packed/a.tgz for a repository on GitHub.
for (const found of tarballsOf(resolve(folder))) {
  if (isPublished(found)) console.log(`==> ${found.name} ${found.version} is published already`);
  else publish(found, how);
}

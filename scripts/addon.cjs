// What an addon was built from and for, stored next to it, so that a copied build folder, or a replaced libtorch, is detected before
// the addon is loaded. (The processor does not matter: kernels are built for all.) Checked by the build and at every start.
// Usage: node scripts/addon.cjs write|check|fresh BUILD_FOLDER, or name
const { createHash } = require("node:crypto");
const { existsSync, readFileSync, readdirSync, realpathSync, statSync, writeFileSync } = require("node:fs");
const { join, resolve } = require("node:path");

/** @typedef {{ path: string, bytes: number }} Library */
/** @typedef {{ architecture: string, nodeApi: number, compiler: string, sources: string, libtorch: string, libraries: Library[] }} Stamp */

const SOURCES = join(__dirname, "..", "native");

/** Identifies the native sources. Every start in a clone asks for it. @returns {string} */
function sourcesHash(folder = SOURCES) {
  const hash = createHash("sha256");
  for (const name of filesIn(folder).sort())
    hash.update(`${name}\0`).update(readFileSync(join(folder, name))).update("\0");
  return hash.digest("hex").slice(0, 12);
}

/** The files under a folder, by their paths in it. (The recursive form of readdir takes ten times as long.) @returns {string[]} */
function filesIn(/** @type {string} */ folder, prefix = "") {
  return readdirSync(folder, { withFileTypes: true }).flatMap((entry) => {
    if (entry.isDirectory()) return filesIn(join(folder, entry.name), `${prefix}${entry.name}/`);
    return entry.isFile() ? [prefix + entry.name] : [];
  });
}

/**
 * The name of a build: the libtorch that it is for, by its folder; the system's without one. Then the sanitizer that it is compiled with,
 * if it is for npm run test:asan and the like.
 */
const buildName = (libtorch = process.env.LIBTORCH, sanitizer = process.env.BIDORA_SANITIZER) =>
  [libtorch ? createHash("sha256").update(realPath(libtorch)).digest("hex").slice(0, 12) : "system", sanitizer]
    .filter(Boolean)
    .join("-");

/** A link that now leads to another libtorch makes another build. */
const realPath = (/** @type {string} */ path) => (existsSync(path) ? realpathSync(path) : resolve(path));

const stampOf = (/** @type {string} */ folder) => join(folder, "stamp.json");

/** @returns {Library} */
const describe = (/** @type {string} */ path) => ({ path: realpathSync(path), bytes: statSync(path).size });

/** The version of the libtorch that the addon in `folder` runs on. Loads it, so that a build that cannot be loaded is no build. */
function libtorchOf(/** @type {string} */ folder) {
  const path = (/** @type {string} */ name) => resolve(folder, name);
  require(path("prelude.node"));
  return require(path("bidora.node")).engineFacts().torchVersion;
}

/** @returns {Stamp} what CMake found for the build in `folder` */
function currentStamp(/** @type {string} */ folder) {
  const cache = readFileSync(join(folder, "CMakeCache.txt"), "utf8");
  const found = (/** @type {string} */ name) => cache.match(new RegExp(`^${name}:[A-Z]+=(.*)$`, "m"))?.[1] ?? "";
  return {
    architecture: process.arch,
    nodeApi: Number(found("NODE_API")),
    compiler: found("CMAKE_CXX_COMPILER"),
    sources: sourcesHash(),
    libtorch: libtorchOf(folder),
    libraries: ["torch_cpu", "c10", "torch_cuda"].map(found).filter(existsSync).map(describe),
  };
}

/** @returns {Stamp | undefined} */
function readStamp(/** @type {string} */ folder) {
  try {
    const stamp = JSON.parse(readFileSync(stampOf(folder), "utf8"));
    const isWhole = stamp.libraries.every((/** @type {Library} */ { path }) => typeof path === "string");
    return isWhole ? stamp : undefined;
  } catch {
    return undefined;
  }
}

/** @returns {string | undefined} */
function replaced(/** @type {Library} */ { path, bytes }) {
  const size = statSync(path, { throwIfNoEntry: false })?.size;
  if (size === bytes) return undefined;
  return size === undefined ? `${path} is gone` : `${path} was replaced`;
}

/** Why the addon in `folder` cannot be used here: the end of a sentence, or undefined if it can. */
function mismatch(/** @type {string} */ folder) {
  const stamp = readStamp(folder);
  if (!stamp) return "it has no record of the libtorch that it was built for";
  if (stamp.architecture !== process.arch) return `it was built for ${stamp.architecture}, and this is ${process.arch}`;
  if (stamp.nodeApi > Number(process.versions.napi)) {
    return `it needs Node-API ${stamp.nodeApi}, and Node ${process.versions.node} has ${process.versions.napi}`;
  }
  const library = stamp.libraries.map(replaced).find((text) => text !== undefined);
  return library && `the libtorch that it was built for has changed (${library})`;
}

function main(/** @type {string} */ action, /** @type {string} */ folder) {
  if (action === "name") console.log(buildName());
  else if (action === "write") writeFileSync(stampOf(folder), `${JSON.stringify(currentStamp(folder), null, 2)}\n`);
  else if (action === "fresh") process.exitCode = readStamp(folder)?.sources === sourcesHash() ? 0 : 1;
  else process.exitCode = mismatch(folder) === undefined ? 0 : 1;
}

if (require.main === module) main(process.argv[2] ?? "", process.argv[3] ?? "");
module.exports = { buildName, mismatch, readStamp, sourcesHash };

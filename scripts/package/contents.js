// The contents of a platform package: binaries, NOTICE and engine.json, in packages/PLATFORM.
import { copyFileSync, existsSync, mkdirSync, readdirSync, renameSync, rmSync, statSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { basename, dirname, join } from "node:path";
import { buildAddon } from "./addon.js";
import { requirements } from "./elf.js";
import { unpackLibtorch } from "./libtorch.js";
import { noticeFor } from "./notice.js";
import { manifestOf, packageFolder } from "./platforms.js";
import { Refusal } from "./run.js";
import { torchFacts } from "./wheel.js";

const require = createRequire(import.meta.url);
/** @type {{ sourcesHash(): string }} */
const { sourcesHash } = require("../addon.cjs");

/** Describes the contents; written last, so that a folder without it holds no package. */
export const ENGINE_FILE = "engine.json";

/**
 * Makes the contents of packages/PLATFORM from torch's wheel; `folder` keeps what the next call can use.
 * @param {string} wheel
 * @param {string} platform
 * @param {string} folder
 */
export async function makeContents(wheel, platform, folder) {
  const sources = sourcesHash();
  const libtorch = await unpackLibtorch(wheel, platform, folder);
  const { paths, nodeApi } = await buildAddon(libtorch, platform, join(folder, "addon"));
  const begun = join(folder, "contents");
  rmSync(begun, { recursive: true, force: true });
  mkdirSync(begun);
  for (const path of [...paths, ...filesIn(join(libtorch, "lib"))]) copyFileSync(path, join(begun, basename(path)));
  const tokenizers = tokenizersBinary(platform);
  copyFileSync(tokenizers.path, join(begun, "tokenizers.node"));
  const facts = { libtorch: (await torchFacts(wheel)).version, nodeApi, tokenizers: tokenizers.version, sources };
  const engine = await engineOf(platform, facts, filesIn(begun));
  writeFileSync(join(begun, "NOTICE"), await noticeFor(wheel, platform, Object.keys(engine.files)));
  writeFileSync(join(begun, ENGINE_FILE), `${JSON.stringify(engine, null, 2)}\n`);
  if (sourcesHash() !== sources)
    throw new Refusal("the native sources changed while the addon was built: run it again");
  publish(begun, packageFolder(platform));
}

/**
 * What engine.json says.
 * @param {string} platform
 * @param {{ libtorch: string, nodeApi: number, tokenizers: string, sources: string }} facts
 * @param {readonly string[]} binaries paths
 */
async function engineOf(platform, facts, binaries) {
  const { GLIBC: glibc, GLIBCXX: glibcxx } = await requirements(binaries);
  const files = Object.fromEntries(binaries.map((path) => [basename(path), statSync(path).size]));
  const { version } = manifestOf(packageFolder(platform));
  return { version, architecture: platform.split("-")[1], ...facts, glibc, glibcxx, files };
}

const filesIn = (/** @type {string} */ folder) =>
  readdirSync(folder)
    .sort()
    .map((name) => join(folder, name));

/** The binary of the npm package tokenizers. @returns {{ path: string, version: string }} */
function tokenizersBinary(/** @type {string} */ platform) {
  const manifest = require.resolve("tokenizers/package.json");
  const path = join(dirname(manifest), `tokenizers.${platform}.node`);
  if (!existsSync(path))
    throw new Refusal(`the npm package tokenizers has no binary for ${platform} (expected ${path})`);
  return { path, version: require(manifest).version };
}

/** Replaces the contents of a package; what describes them goes first and comes last. @param {string} from @param {string} to */
function publish(from, to) {
  rmSync(join(to, ENGINE_FILE), { force: true });
  for (const name of readdirSync(to)) if (isMade(name)) rmSync(join(to, name));
  const names = readdirSync(from).filter((name) => name !== ENGINE_FILE);
  for (const name of [...names, ENGINE_FILE]) renameSync(join(from, name), join(to, name));
  rmSync(from, { recursive: true });
}

/** Whether a file of a package's folder is made here and not kept in git. */
const isMade = (/** @type {string} */ name) => /\.node$|\.so(\.\d+)*$|^NOTICE$|^engine\.json$/.test(name);

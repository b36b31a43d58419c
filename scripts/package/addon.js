// The addon for a platform, built with the libtorch that it is shipped with.
import { closeSync, mkdirSync, openSync, readFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { join } from "node:path";
import { checkRunPath } from "./elf.js";
import { gnuProcessor, OWN_PLATFORM, root, toolFor } from "./platforms.js";
import { outcomeOf, Refusal } from "./run.js";

const NODES = ["bidora.node", "prelude.node"];

/**
 * Builds what has changed.
 * @param {string} libtorch folder with include/ and lib/
 * @param {string} platform
 * @param {string} folder of the build
 * @returns {Promise<{ paths: string[], nodeApi: number }>}
 */
export async function buildAddon(libtorch, platform, folder) {
  mkdirSync(folder, { recursive: true });
  const settings = [
    `-DLIBTORCH=${libtorch}`,
    "-DCMAKE_BUILD_WITH_INSTALL_RPATH=ON",
    // Messages name source files, but not this machine's folders; the compiler keeps these in precompiled headers.
    "-DCMAKE_DISABLE_PRECOMPILE_HEADERS=ON",
    `-DCMAKE_CXX_FLAGS=-ffile-prefix-map=${root}= -ffile-prefix-map=${libtorch}/include/=`,
    "-DCMAKE_MODULE_LINKER_FLAGS=-s",
    ...crossSettings(platform),
  ];
  await logged(folder, ["-S", join(root, "native"), "-B", folder, ...settings]);
  await logged(folder, ["--build", folder, "--parallel", String(availableParallelism())]);
  const paths = NODES.map((name) => join(folder, name));
  for (const path of paths) await checkRunPath(path);
  const [, nodeApi] = readFileSync(join(folder, "CMakeCache.txt"), "utf8").match(/^NODE_API:\w+=(\d+)$/m) ?? [];
  return { paths, nodeApi: Number(nodeApi) };
}

function crossSettings(/** @type {string} */ platform) {
  if (platform === OWN_PLATFORM) return [];
  return [
    "-DCMAKE_SYSTEM_NAME=Linux",
    `-DCMAKE_SYSTEM_PROCESSOR=${gnuProcessor(platform)}`,
    `-DCMAKE_CXX_COMPILER=${toolFor(platform, "g++")}`,
  ];
}

/** Runs CMake with its output in a file. @param {string} folder @param {readonly string[]} words */
async function logged(folder, words) {
  const path = join(folder, "package.log");
  const log = openSync(path, "a");
  const outcome = await outcomeOf("cmake", words, { log }).finally(() => closeSync(log));
  if (!outcome) throw new Refusal("CMake is not installed");
  if (outcome.status !== 0) throw new Refusal(`the native addon could not be built; the log is in ${path}`);
}

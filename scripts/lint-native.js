// Checks the native sources with clang-format and clang-tidy; --fix formats them instead, --format-only leaves clang-tidy out. "npm run setup -- --develop" installs both.
//
// clang-tidy runs for each compile command of the build, which compiles a kernel's files together: most of its time goes into
// libtorch's headers. It runs on all cores, and only where a source, a header of ours that it includes, the command or the
// checks have changed since it last passed: build/lint remembers that.
import { execFile, execFileSync, spawnSync } from "node:child_process";
import { createHash } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { availableParallelism } from "node:os";
import { dirname, join, relative, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { promisify } from "node:util";

const root = fileURLToPath(new URL("..", import.meta.url));
const database = join(root, "build/native-system/compile_commands.json");
const passed = join(root, "build/lint");

// One version for everybody: each formats a little differently.
const format = "clang-format-19";
const tidy = "clang-tidy-19";

function fail(/** @type {string} */ message) {
  console.error(`lint-native: ${message}`);
  process.exit(1);
}

const filesIn = (/** @type {string} */ folder) =>
  readdirSync(join(root, folder), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(cpp|h)$/.test(name) && !name.includes("node_modules"))
    .map((name) => join(root, folder, name));

/** A compile command for clang: without the compiler, the output, and GCC's precompiled header and OpenMP. */
function argumentsOf(/** @type {string} */ command) {
  const words = (command.match(/"[^"]*"|\S+/g) ?? []).slice(1).map((word) => word.replaceAll('"', ""));
  const kept = words.filter((word, i) => {
    const before = words[i - 1];
    if (["-o", "-c"].includes(word) || ["-o", "-c"].includes(before)) return false;
    if (word === "-include" || (before === "-include" && word.includes("cmake_pch"))) return false;
    return !["-Winvalid-pch", "-fopenmp"].includes(word);
  });
  return kept;
}

/** The file and all of our headers that it includes, directly or not. */
function withHeaders(/** @type {string} */ file, found = new Set()) {
  if (found.has(file)) return found;
  found.add(file);
  for (const [, name] of readFileSync(file, "utf8").matchAll(/^\s*#\s*include\s*"([^"]+)"/gm)) {
    const header = [resolve(dirname(file), name), join(root, "native", name)].find((path) => existsSync(path));
    if (header) withHeaders(header, found);
  }
  return found;
}

function keyOf(/** @type {string} */ file, /** @type {string[]} */ flags, /** @type {string} */ constant) {
  const hash = createHash("sha256").update(constant).update(JSON.stringify(flags));
  for (const path of [...withHeaders(file)].sort()) hash.update(relative(root, path)).update(readFileSync(path));
  return hash.digest("hex");
}

/** Each compile command that has not passed yet, and the keys of all. */
function commandsToCheck() {
  if (!existsSync(database)) fail("the native addon is not built: run npm run setup -- --develop.");
  const constant = [
    execFileSync(tidy, ["--version"], { encoding: "utf8" }),
    readFileSync(join(root, ".clang-tidy"), "utf8"),
    readFileSync(join(dirname(database), "stamp.json"), "utf8"),
  ].join("\n");
  const all = JSON.parse(readFileSync(database, "utf8"))
    .filter(({ file }) => /^(native|bench)\/|\/Unity\//.test(relative(root, file)))
    .map(({ file, command }) => {
      const flags = argumentsOf(command);
      return { file, flags, key: keyOf(file, flags, constant) };
    });
  mkdirSync(passed, { recursive: true });
  const known = new Set(readdirSync(passed));
  const keys = new Set(all.map(({ key }) => key));
  for (const key of known) if (!keys.has(key)) rmSync(join(passed, key));
  return { pending: all.filter(({ key }) => !known.has(key)), count: all.length };
}

/** @returns {Promise<boolean>} whether clang-tidy found nothing */
async function check({ file, flags, key }) {
  try {
    await promisify(execFile)(tidy, ["--quiet", file, "--", ...flags, "-fno-openmp"], { maxBuffer: 1 << 26 });
    writeFileSync(join(passed, key), relative(root, file));
    return true;
  } catch (error) {
    console.error(error.stdout || error.message);
    return false;
  }
}

async function checkAll() {
  const { pending, count } = commandsToCheck();
  let isClean = true;
  let next = 0;
  const work = async () => {
    while (next < pending.length) isClean = (await check(pending[next++])) && isClean;
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (!isClean) fail("clang-tidy has found something.");
  console.log(`clang-tidy: ${pending.length} of ${count} compile commands checked, the others passed before.`);
}

for (const tool of [format, tidy])
  if (spawnSync(tool, ["--version"]).status !== 0) fail(`${tool} is missing: run npm run setup -- --develop.`);
const sources = [...filesIn("native"), ...filesIn("bench")];
const isFixing = process.argv.includes("--fix");
const style = isFixing ? ["-i"] : ["--dry-run", "--Werror"];
if (spawnSync(format, [...style, ...sources], { stdio: "inherit" }).status !== 0) fail("run npm run format.");
if (!isFixing && !process.argv.includes("--format-only")) await checkAll();

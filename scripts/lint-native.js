// Checks the native sources with clang-format and clang-tidy; --fix formats them instead, --format-only leaves clang-tidy out. "npm run setup -- --develop" installs both.
//
// Most of clang-tidy's time goes into libtorch's headers, so it reads all sources that include them as one unit, where the build has one
// for each folder. It runs on all cores, and only where a source, a header of ours that it includes, the flags or the checks have
// changed since it last passed: build/lint remembers that.
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

function keyOf(/** @type {string[]} */ files, /** @type {string[]} */ flags, /** @type {string} */ constant) {
  const hash = createHash("sha256").update(constant).update(JSON.stringify(flags));
  const read = new Set();
  for (const file of files) withHeaders(file, read);
  for (const path of [...read].sort()) hash.update(relative(root, path)).update(readFileSync(path));
  return hash.digest("hex");
}

/** What clang-tidy reads at once: a source of its own, or those of all unity files of the build, which have the same flags. */
function unitsOf(/** @type {readonly { file: string, command: string }[]} */ commands) {
  const included = ({ file }) => [...withHeaders(file)].filter((path) => path !== file && path.endsWith(".cpp"));
  const alone = commands.filter(({ file }) => /^(native|bench)\//.test(relative(root, file)));
  const unity = commands.filter(({ file }) => file.includes("/Unity/"));
  return [
    ...unity.slice(0, 1).map(({ command }) => ({ files: unity.flatMap(included), flags: argumentsOf(command) })),
    ...alone.map(({ file, command }) => ({ files: [file], flags: argumentsOf(command) })),
  ];
}

/** Each unit that has not passed yet, and the number of all. */
function unitsToCheck() {
  if (!existsSync(database)) fail("the native addon is not built: run npm run setup -- --develop.");
  const constant = [
    execFileSync(tidy, ["--version"], { encoding: "utf8" }),
    readFileSync(join(root, ".clang-tidy"), "utf8"),
    readFileSync(join(dirname(database), "stamp.json"), "utf8"),
  ].join("\n");
  const commands = JSON.parse(readFileSync(database, "utf8"));
  const all = unitsOf(commands).map((unit) => ({ ...unit, key: keyOf(unit.files, unit.flags, constant) }));
  mkdirSync(passed, { recursive: true });
  const known = new Set(readdirSync(passed));
  const keys = new Set(all.map(({ key }) => key));
  for (const name of known) if (!keys.has(name)) rmSync(join(passed, name));
  return { pending: all.filter(({ key }) => !known.has(key)), count: all.length };
}

/** @returns {Promise<boolean>} whether clang-tidy found nothing */
async function check({ files, flags, key }) {
  const unit = join(passed, `${key}.cpp`);
  writeFileSync(unit, files.map((file) => `#include "${file}"\n`).join(""));
  try {
    await promisify(execFile)(tidy, ["--quiet", unit, "--", ...flags, "-fno-openmp"], { maxBuffer: 1 << 26 });
    writeFileSync(join(passed, key), "");
    return true;
  } catch (error) {
    console.error(error.stdout || error.message);
    return false;
  }
}

async function checkAll() {
  const { pending, count } = unitsToCheck();
  let isClean = true;
  let next = 0;
  const work = async () => {
    while (next < pending.length) isClean = (await check(pending[next++])) && isClean;
  };
  await Promise.all(Array.from({ length: availableParallelism() }, work));
  if (!isClean) fail("clang-tidy has found something.");
  console.log(`clang-tidy: ${pending.length} of ${count} units checked, the others passed before.`);
}

for (const tool of [format, tidy])
  if (spawnSync(tool, ["--version"]).status !== 0) fail(`${tool} is missing: run npm run setup -- --develop.`);
const sources = [...filesIn("native"), ...filesIn("bench")];
const isFixing = process.argv.includes("--fix");
const style = isFixing ? ["-i"] : ["--dry-run", "--Werror"];
if (spawnSync(format, [...style, ...sources], { stdio: "inherit" }).status !== 0) fail("run npm run format.");
if (!isFixing && !process.argv.includes("--format-only")) await checkAll();

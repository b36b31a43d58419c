// An ISA variant's objects define nothing outside their own namespace: the linker keeps one copy of a function that several objects
// define, and with another variant's instructions it could end the process.
// Usage: node scripts/check-isa-objects.js [BUILD_FOLDER]   (build/native-system by default)
import { execFileSync } from "node:child_process";
import { existsSync, readdirSync } from "node:fs";
import { join } from "node:path";

const folder = join(process.argv[2] ?? "build/native-system", "CMakeFiles");
if (!existsSync(folder)) fail("the native addon is not built in this clone: run npm run setup -- --develop.");

/** @returns {never} */
function fail(/** @type {string} */ message) {
  console.error(`check-isa-objects: ${message}`);
  process.exit(1);
}

/** The symbols that an object defines for the linker. @returns {string[]} */
function symbolsOf(/** @type {string} */ object) {
  const table = execFileSync("nm", ["--defined-only", "--extern-only", "--format=posix", object], { encoding: "utf8" });
  const names = table.split("\n").map((line) => line.split(" ")[0] ?? "");
  return names.filter((name) => name !== "" && !name.startsWith("DW.ref."));
}

/** The objects of a variant, and its symbols that are not in its namespace. */
function inspect(/** @type {string} */ name) {
  const variant = name.slice("variant_".length, -".dir".length);
  const own = new RegExp(`^_Z\\w*6bidora${variant.length}${variant}`);
  const kernels = join(folder, name, "kernels");
  const objects = readdirSync(kernels, { recursive: true, encoding: "utf8" }).filter((path) => path.endsWith(".o"));
  const symbols = objects.flatMap((object) => symbolsOf(join(kernels, object)));
  return {
    name,
    objects: objects.length,
    symbols: symbols.length,
    foreign: symbols.filter((symbol) => !own.test(symbol)),
  };
}

const found = readdirSync(folder)
  .filter((name) => name.startsWith("variant_"))
  .map(inspect);
if (found.length === 0) fail(`${folder} has no ISA variants.`);
for (const { name, objects, symbols, foreign } of found) {
  if (objects === 0 || symbols === 0) fail(`${name} has ${objects} objects with ${symbols} symbols.`);
  if (foreign.length > 0) fail(`${name} defines symbols outside of its namespace: ${foreign.slice(0, 5).join(" ")}`);
}
console.log(`ISA variants: ${found.length}, each within its namespace.`);

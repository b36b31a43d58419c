// Bundles the compiled sources (build/js) into dist, which is what the package has: a few files load several times faster than
// hundreds. Dependencies stay imports; development dependencies that the sources import become part of the bundle.
import { createHash } from "node:crypto";
import { readFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { defineConfig } from "rolldown";
import { dts } from "rolldown-plugin-dts";
import { COMMANDS } from "./build/js/app/cli/commands.js";
import { renderHelp } from "./build/js/app/cli/help.js";
import { licensesOfBundle } from "./scripts/dependencies/licenses.js";

/** What is loaded from outside: the library, the command line, and what runs in a process or a thread of its own. */
const ENTRIES = ["index", "app/cli/main", "app/studio/answers/process", "app/studio/data/thread", "training/estimates/process", "models/generation/grammar/thread", "use/server/requests/thread"];

const { dependencies, peerDependencies } = JSON.parse(readFileSync("package.json", "utf8"));
const external = Object.keys({ ...dependencies, ...peerDependencies }).map((name) => new RegExp(`^${name}(/|$)`));
const tsconfig = "tsconfig.build.json";

/** Adds a file as it is. */
const file = (/** @type {string} */ fileName, /** @type {string} */ source) => ({
  name: "file",
  generateBundle() {
    /** @type {import("rolldown").PluginContext} */ (this).emitFile({ type: "asset", fileName, source });
  },
});

/** The help of each command, which is printed without loading it. */
async function helpTexts() {
  /** @type {Record<string, import("./src/app/cli/writtenHelp.js").WrittenHelp[string]>} */
  const help = {};
  for (const [name, { load }] of Object.entries(COMMANDS)) {
    const command = await load();
    help[name] = { screen: renderHelp(command), all: renderHelp(command, true) };
  }
  return JSON.stringify(help);
}

/** Whether a module belongs to src/base, or to a folder in it and needs only such modules and Node's own. */
function isInBase(/** @type {string} */ id) {
  const [, inside] = /[/\\]build[/\\]js[/\\]base[/\\](.+)\.js$/.exec(id) ?? [];
  if (inside === undefined || inside === "wholeRecord") return false;
  if (!/[/\\]/.test(inside)) return true;
  const needed = readFileSync(id, "utf8").matchAll(/ from "([^"]+)"/g);
  return [...needed].every(([, from = ""]) => from.startsWith("node:") || (from.startsWith(".") && isInBase(join(dirname(id), from))));
}

/** Adds a hash of the program as it was built, which tells the builds of a clone apart. */
const digest = {
  name: "digest",
  generateBundle(/** @type {unknown} */ _, /** @type {import("rolldown").OutputBundle} */ bundle) {
    const hash = createHash("sha256");
    for (const [name, part] of Object.entries(bundle).sort())
      if (part.type === "chunk") hash.update(`${name}\0${part.code}\0`);
    /** @type {import("rolldown").PluginContext} */ (/** @type {unknown} */ (this)).emitFile({ type: "asset", fileName: "digest", source: hash.digest("hex") });
  },
};

/** Leaves out the module that the types' bundle would need if it were a program. */
const typesAlone = {
  name: "types-alone",
  generateBundle(/** @type {unknown} */ _, /** @type {import("rolldown").OutputBundle} */ bundle) {
    for (const name of Object.keys(bundle)) if (name.endsWith(".js")) delete bundle[name];
  },
};

export default defineConfig([
  {
    input: Object.fromEntries(ENTRIES.map((name) => [name, `build/js/${name}.js`])),
    ...{ platform: "node", external, tsconfig },
    // Our modules only declare: a surface (index.ts) then brings what is imported of it, and nothing else.
    treeshake: { moduleSideEffects: (/** @type {string} */ id) => !/[/\\]build[/\\]js[/\\]/.test(id) },
    plugins: [licensesOfBundle("THIRD-PARTY-LICENSES.txt"), file("index.cjs", readFileSync("src/index.cjs", "utf8")), file("help.json", await helpTexts()), digest],
    output: {
      ...{ dir: "dist", cleanDir: true, chunkFileNames: "chunks/[name].js", comments: { jsdoc: false } },
      // What nearly every file needs is one file, and not twenty small ones; but without zod.
      codeSplitting: { groups: [{ name: "base", test: isInBase }] },
    },
  },
  {
    // The types are written once, for require(); import gets the same ones.
    input: { index: "build/js/index.d.ts" },
    ...{ external, tsconfig },
    plugins: [dts({ dtsInput: true, tsconfig }), typesAlone, file("index.d.ts", 'export * from "./index.cjs";\n')],
    output: { dir: "dist", entryFileNames: "index.d.cts" },
    checks: { bundlerTimings: false, pluginTimings: false },
  },
  {
    // The script of the studio's pages.
    ...{ input: { studio: "src/app/studio/browser/main.ts" }, platform: "browser", tsconfig: "src/app/studio/browser/tsconfig.json" },
    output: { dir: "dist", entryFileNames: "studio.js", minify: true },
  },
]);

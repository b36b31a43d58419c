// Runs test files of its working folder repeatedly in one Vitest: scripts/mutate.js sends lists of them.
// A message is { broken: the source file that is broken now, tests: files }; the answer is { failed: the first that fails }.
import { resolve } from "node:path";
import { createVitest } from "vitest/node";

const vitest = await createVitest("test", { watch: false, bail: 1, reporters: [{}] });
const known = await vitest.globTestSpecifications();

/** One file after the other, since the first that fails is enough. @param {string[]} tests */
async function run(tests) {
  for (const test of tests) {
    const path = resolve(test);
    const specifications = known.filter(({ moduleId }) => moduleId === path);
    const { testModules } = await vitest.runTestSpecifications(specifications);
    // What ran before is among them, too.
    const own = testModules.filter(({ moduleId }) => moduleId === path);
    if (own.length === 0) throw new Error(`${test} is no test file`);
    if (own.some((module) => !module.ok())) return test;
  }
  return undefined;
}

/** The file that was broken the last time, and is whole again. */
let mended;

process.on("message", async ({ broken, tests }) => {
  try {
    for (const file of [mended, broken]) if (file) vitest.invalidateFile(resolve(file));
    mended = broken;
    process.send({ failed: (await run(tests)) ?? null });
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.send("ready");

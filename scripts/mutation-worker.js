// Runs test files of the folder it is started in, again and again, in one Vitest: scripts/mutate.js sends lists of them.
// Each message is { broken: a source file that is broken now, tests: files }; the answer is { failed: names of files }.
import { resolve } from "node:path";
import { createVitest } from "vitest/node";

const vitest = await createVitest("test", { watch: false, bail: 1, reporters: [{}] });
const known = await vitest.globTestSpecifications();

/** @param {string[]} tests */
async function run(tests) {
  const wanted = new Set(tests.map((file) => resolve(file)));
  const specifications = known.filter(({ moduleId }) => wanted.has(moduleId));
  const missing = wanted.size - new Set(specifications.map(({ moduleId }) => moduleId)).size;
  if (missing > 0) throw new Error(`${missing} of these are no test files: ${tests.join(", ")}`);
  const { testModules, unhandledErrors } = await vitest.runTestSpecifications(specifications);
  const failed = testModules.filter((module) => !module.ok()).map(({ relativeModuleId }) => relativeModuleId);
  return unhandledErrors.length > 0 && failed.length === 0 ? ["(unhandled error)"] : failed;
}

/** The file that was broken the last time, and is whole again. */
let mended;

process.on("message", async ({ broken, tests }) => {
  try {
    for (const file of [mended, broken]) if (file) vitest.invalidateFile(resolve(file));
    mended = broken;
    process.send({ failed: await run(tests) });
  } catch (error) {
    process.send({ error: String(error) });
  }
});
process.send("ready");

// What a shared library says of itself, from readelf, which reads every processor's.
import { outputOf, Refusal } from "./run.js";

/** @typedef {{ needed: string[], soname: string | undefined, runPath: string | undefined }} Dynamic */

/** @param {string} path @returns {Promise<Dynamic>} */
export async function dynamicSection(path) {
  const text = await outputOf("readelf", ["-dW", path]);
  const all = (/** @type {string} */ tag) =>
    [...text.matchAll(new RegExp(`\\(${tag}\\).*\\[(.*)\\]`, "g"))].map(([, value]) => /** @type {string} */ (value));
  return { needed: all("NEEDED"), soname: all("SONAME")[0], runPath: all("(?:RUNPATH|RPATH)").join(":") || undefined };
}

/** Sorts versions such as 3.4.9 and 3.4.29. @param {string} a @param {string} b */
export const byVersion = (a, b) => a.localeCompare(b, "en", { numeric: true });

const SYSTEM = /** @type {const} */ (["GLIBC", "GLIBCXX", "CXXABI"]);
/** @typedef {Partial<Record<typeof SYSTEM[number], string>>} Requirements the newest version of each that is asked for */

/** What files need of the system's C and C++ libraries. @param {readonly string[]} paths @returns {Promise<Requirements>} */
export async function requirements(paths) {
  const texts = await Promise.all(paths.map((path) => outputOf("readelf", ["-VW", path])));
  const found = texts.flatMap((text) => [...text.matchAll(/Name: (GLIBC|GLIBCXX|CXXABI)_([\d.]+)/g)]);
  return Object.fromEntries(
    SYSTEM.flatMap((name) => {
      const newest = found
        .flatMap(([, kind, version]) => (kind === name ? [version] : []))
        .sort(byVersion)
        .at(-1);
      return newest === undefined ? [] : [[name, newest]];
    }),
  );
}

/** Refuses a file that would look for libraries anywhere but in its own folder. @param {string} path */
export async function checkRunPath(path) {
  const { runPath } = await dynamicSection(path);
  if (runPath !== undefined && runPath !== "$ORIGIN")
    throw new Refusal(`${path} has the run path ${runPath}, expected $ORIGIN`);
}

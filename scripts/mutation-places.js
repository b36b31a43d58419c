// Finds the place of every break in test/mutations/*.json: node scripts/mutation-places.js [--write]
// A break is searched for in the file that it is listed under and, if it is not there, in all sources: text that occurs once is
// found wherever it moved to, however it is wrapped. --write lists moved breaks under their new files.
// Exit status 1 when a break has lost its place, with its file and text.
import { existsSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { fileURLToPath, pathToFileURL } from "node:url";

const root = fileURLToPath(new URL("..", import.meta.url));
const folder = join(root, "test/mutations");

/** @typedef {{ from: string, to: string, harmless?: string }} Entry */
/** @typedef {Entry & { list: string, file: string, tests: string[] }} Break `list` is the JSON file, `file` the source it is listed under */
/** @typedef {{ file: string, start: number, end: number }} Place */

/** @param {string} path of a folder within the project @returns {string[]} its sources, as paths within the project */
function filesUnder(path) {
  if (!existsSync(join(root, path))) return [];
  return readdirSync(join(root, path), { recursive: true, encoding: "utf8" })
    .filter((name) => /\.(ts|h|cpp)$/.test(name))
    .map((name) => join(path, name));
}

const packages = existsSync(join(root, "packages")) ? readdirSync(join(root, "packages")) : [];
/** @param {string} kind src or test */
const everywhere = (kind) => [kind, ...packages.map((name) => join("packages", name, kind))].flatMap(filesUnder);

/** @type {Map<string, string>} */
const sources = new Map(
  [...everywhere("src"), ...filesUnder("native")].map((file) => [file, readFileSync(join(root, file), "utf8")]),
);
const tests = everywhere("test").filter((file) => file.endsWith(".test.ts"));

/** @param {string} from */
function patternOf(from) {
  const escaped = from.trim().replace(/[.*+?^${}()|[\]\\]/g, "\\$&");
  return new RegExp(escaped.replace(/\s+/g, "\\s+"), "g");
}

/** @param {string} file @param {string} from @returns {Place[]} */
function placesIn(file, from) {
  const text = sources.get(file) ?? "";
  const exact = text.indexOf(from);
  if (exact >= 0 && !text.includes(from, exact + 1)) return [{ file, start: exact, end: exact + from.length }];
  return [...text.matchAll(patternOf(from))].map(({ 0: found, index }) => ({
    file,
    start: index,
    end: index + found.length,
  }));
}

/** @param {Break} entry @returns {Place | string} where it is, or why it has no place */
export function placeOf({ file, from }) {
  const own = placesIn(file, from);
  if (own.length === 1) return own[0];
  if (own.length > 1) return `occurs ${own.length} times`;
  const all = [...sources.keys()].flatMap((name) => placesIn(name, from));
  if (all.length === 1) return all[0];
  return all.length === 0
    ? "no longer occurs"
    : `occurs in ${[...new Set(all.map((place) => place.file))].slice(0, 4).join(", ")}`;
}

/** @param {string} path of a test file, which may have moved @returns {string} where it is now; throws where that is not clear */
function testNow(path) {
  if (tests.includes(path)) return path;
  const moved = tests.filter((file) => basename(file) === basename(path));
  if (moved.length !== 1) throw new Error(`${path}: ${moved.length} test files have this name`);
  return moved[0];
}

/** @returns {Break[]} */
export function readBreaks() {
  return readdirSync(folder).flatMap((list) =>
    Object.entries(JSON.parse(readFileSync(join(folder, list), "utf8"))).flatMap(([file, { tests, breaks }]) =>
      breaks.map((/** @type {Entry} */ entry) => ({ list, file, tests: tests.map(testNow), ...entry })),
    ),
  );
}

/** @param {readonly Break[]} breaks with the files they are in now */
function writeLists(breaks) {
  for (const list of new Set(breaks.map((entry) => entry.list))) {
    /** @type {Record<string, { tests: string[], breaks: Entry[] }>} */
    const byFile = {};
    for (const { list: own, file, tests, ...entry } of breaks) {
      if (own !== list) continue;
      byFile[file] ??= { tests: [], breaks: [] };
      byFile[file].tests = [...new Set([...byFile[file].tests, ...tests])];
      byFile[file].breaks.push(entry);
    }
    writeFileSync(join(folder, list), `${JSON.stringify(byFile, null, 2)}\n`);
  }
}

/** @param {boolean} write */
function main(write) {
  const breaks = readBreaks();
  const placed = breaks.map((entry) => ({ entry, place: placeOf(entry) }));
  for (const { entry, place } of placed)
    if (typeof place === "string")
      console.error(`${entry.list}: ${entry.file}: ${JSON.stringify(entry.from)} ${place}`);
  const moved = placed.filter(({ entry, place }) => typeof place !== "string" && place.file !== entry.file);
  const lost = placed.filter(({ place }) => typeof place === "string").length;
  const stale = new Set(moved.map(({ entry }) => entry.list));
  const current = placed.filter(({ entry }) => stale.has(entry.list));
  if (write)
    writeLists(current.map(({ entry, place }) => (typeof place === "string" ? entry : { ...entry, file: place.file })));
  console.log(`${breaks.length} breaks: ${moved.length} moved, ${lost} without a place`);
  process.exitCode = lost > 0 ? 1 : 0;
}

if (import.meta.url === pathToFileURL(process.argv[1] ?? "").href) main(process.argv.includes("--write"));

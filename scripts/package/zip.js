// Reading the files of a wheel, which is a zip file.
import { createWriteStream, mkdirSync } from "node:fs";
import { dirname, join } from "node:path";
import { buffer } from "node:stream/consumers";
import { pipeline } from "node:stream/promises";
import * as yauzl from "yauzl";
import { interrupted } from "./run.js";

/**
 * Calls `use` with each file whose name matches.
 * @param {string} path of the zip file
 * @param {RegExp} pattern
 * @param {(name: string, open: () => Promise<import("node:stream").Readable>) => Promise<void>} use
 */
async function forEachFile(path, pattern, use) {
  const zip = await yauzl.openPromise(path);
  try {
    for await (const entry of zip.eachEntry()) {
      const name = entry.fileName;
      if (!name.endsWith("/") && pattern.test(name)) await use(name, () => zip.openReadStreamPromise(entry));
    }
  } finally {
    zip.close();
  }
}

/** @param {string} path @param {RegExp} pattern @returns {Promise<Map<string, string>>} texts by name */
export async function readTexts(path, pattern) {
  const texts = new Map();
  await forEachFile(path, pattern, async (name, open) => {
    texts.set(name, (await buffer(await open())).toString());
  });
  return texts;
}

/** @param {string} path @param {RegExp} pattern @param {string} folder that gets the files, under their names in the zip file */
export function unpack(path, pattern, folder) {
  return forEachFile(path, pattern, async (name, open) => {
    const target = join(folder, name);
    mkdirSync(dirname(target), { recursive: true });
    await pipeline(await open(), createWriteStream(target), { signal: interrupted });
  });
}

/** @param {string} path @returns {Promise<string[]>} */
export async function namesIn(path) {
  /** @type {string[]} */
  const names = [];
  await forEachFile(path, /^/, async (name) => {
    names.push(name);
  });
  return names;
}

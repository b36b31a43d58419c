// Tarballs, by npm, from a copy of what they hold.
import { cpSync, mkdirSync, mkdtempSync, readFileSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { ENGINE_FILE } from "./contents.js";
import { manifestOf, npmFields, packageFolder, root } from "./platforms.js";
import { outputOf, Refusal } from "./run.js";

/** @typedef {{ filename: string, size: number, unpackedSize: number, files: { path: string, size: number }[] }} Packed as npm describes it */

/** The most that a platform's package may take, in bytes. */
const LIMITS = { size: 120e6, unpackedSize: 400e6 };

/** bidora's own tarball; npm builds it first. @param {string} output @returns {Promise<Packed>} */
export const packBidora = (output) => beside(output, (folder) => pack(root, folder));

/**
 * The tarball of packages/PLATFORM. Its package.json says which machines it is for; in the clone it does not, because npm would refuse
 * a workspace for another machine.
 * @param {string} platform
 * @param {string} output
 * @returns {Promise<Packed>}
 */
export function packPlatform(platform, output) {
  return beside(output, async (folder) => {
    const copy = join(folder, "package");
    cpSync(packageFolder(platform), copy, { recursive: true });
    const manifest = { ...manifestOf(copy), ...npmFields(platform) };
    writeFileSync(join(copy, "package.json"), `${JSON.stringify(manifest, null, 2)}\n`);
    const packed = await pack(copy, folder);
    checkPacked(packed, JSON.parse(readFileSync(join(copy, ENGINE_FILE), "utf8")).files);
    return packed;
  });
}

/**
 * Refuses a tarball that is too large, or that lacks what the engine needs.
 * @param {Packed} packed
 * @param {Record<string, number>} needed bytes by name
 */
export function checkPacked({ filename, size, unpackedSize, files }, needed) {
  const held = new Map(files.map(({ path, size }) => [path, size]));
  const lacking = Object.keys(needed).find((name) => held.get(name) !== needed[name]);
  if (lacking)
    throw new Refusal(`${filename} lacks ${lacking} or a part of it: see "files" in the package's package.json`);
  if (size > LIMITS.size || unpackedSize > LIMITS.unpackedSize)
    throw new Refusal(
      `${filename} has ${size} bytes, ${unpackedSize} unpacked; at most ${LIMITS.size} and ${LIMITS.unpackedSize} are allowed`,
    );
}

/**
 * Packs in a folder of its own within `output`, so that a tarball appears there whole or not at all.
 * @param {string} output
 * @param {(folder: string) => Promise<Packed>} make
 */
async function beside(output, make) {
  mkdirSync(output, { recursive: true });
  const folder = mkdtempSync(join(output, ".packing-"));
  try {
    const packed = await make(folder);
    renameSync(join(folder, packed.filename), join(output, packed.filename));
    return packed;
  } finally {
    rmSync(folder, { recursive: true, force: true });
  }
}

/** @param {string} folder @param {string} destination @returns {Promise<Packed>} */
async function pack(folder, destination) {
  const output = await outputOf("npm", ["pack", "--json", "--pack-destination", destination], { cwd: folder });
  const text = output.slice(output.search(/^\[$/m)); // scripts print too
  const [packed] = JSON.parse(text);
  return packed;
}

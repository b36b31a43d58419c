// Tarballs, by npm, from a copy of what they hold.
import { cpSync, mkdirSync, mkdtempSync, renameSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { manifestOf, npmFields, packageFolder, root } from "./platforms.js";
import { outputOf } from "./run.js";

/** @typedef {{ name: string, filename: string, size: number, unpackedSize: number }} Packed as npm describes it */

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
    return await pack(copy, folder);
  });
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

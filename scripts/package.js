// Makes the npm packages that are published: bidora's, and the platform's with libtorch and the native addon.
// Usage: npm run package -- --output FOLDER [--platform linux-arm64-gnu …]   (this machine's platform by default)
//
// packages/PLATFORM gets the contents, and FOLDER a tarball of each package. libtorch is that of torch's wheel, which pip downloads
// as the user has configured it; only wheels in package/wheels.json are taken. What is kept in build/ makes the next call faster.
import { createHash } from "node:crypto";
import { mkdirSync, readdirSync, rmSync } from "node:fs";
import { basename, join, resolve } from "node:path";
import { parseArgs } from "node:util";
import { makeContents } from "./package/contents.js";
import { packBidora, packPlatform } from "./package/pack.js";
import { checkVersions, manifestOf, OWN_PLATFORM, PLATFORMS, packageFolder, root } from "./package/platforms.js";
import { catchSignals, Refusal } from "./package/run.js";
import { cpuWheel, readPins } from "./package/wheel.js";

const step = (/** @type {string} */ text) => console.error(`==> ${text}`);

function readArguments() {
  const options = /** @type {const} */ ({ output: { type: "string" }, platform: { type: "string", multiple: true } });
  const { output, platform = [OWN_PLATFORM] } = parseArgs({ options }).values;
  if (!output) throw new Refusal("give the folder for the tarballs: npm run package -- --output FOLDER");
  const unknown = platform.find((name) => !PLATFORMS.includes(name));
  if (unknown) throw new Refusal(`there is no package for ${unknown}; expected ${PLATFORMS.join(" or ")}`);
  return { output: resolve(output), platforms: platform };
}

/** The folder for builds with a wheel; those with other wheels are removed. @param {string} platform @param {string} wheel */
function buildFolder(platform, wheel) {
  const all = join(root, "build", `package-${platform}`);
  const key = createHash("sha256").update(basename(wheel)).digest("hex").slice(0, 12);
  mkdirSync(join(all, key), { recursive: true });
  for (const name of readdirSync(all)) if (name !== key) rmSync(join(all, name), { recursive: true });
  return join(all, key);
}

/** @param {string} platform @param {string} output */
async function makePlatform(platform, output) {
  const pin = readPins()[platform];
  if (!pin) throw new Refusal(`scripts/package/wheels.json has no wheel for ${platform}`);
  step(`torch ${pin.torch} for ${platform}`);
  const wheel = await cpuWheel(pin);
  step("Native addon");
  await makeContents(wheel, platform, buildFolder(platform, wheel));
  step(`Tarball of ${platform}`);
  return await packPlatform(platform, output);
}

/** @param {readonly import("./package/pack.js").Packed[]} packages */
function table(packages) {
  const megabytes = (/** @type {number} */ bytes) => `${(bytes / 1e6).toFixed(1)} MB`.padStart(10);
  const rows = packages.map(
    ({ filename, size, unpackedSize }) => `${filename.padEnd(40)}${megabytes(size)}${megabytes(unpackedSize)}`,
  );
  return [`${"".padEnd(40)}${"tarball".padStart(10)}${"unpacked".padStart(10)}`, ...rows].join("\n");
}

async function main() {
  const { output, platforms } = readArguments();
  for (const platform of platforms) checkVersions(manifestOf(root), manifestOf(packageFolder(platform)));
  const packages = [];
  for (const platform of platforms) packages.push(await makePlatform(platform, output));
  step("Tarball of bidora");
  packages.push(await packBidora(output));
  console.log(table(packages));
}

catchSignals();
try {
  await main();
} catch (error) {
  if (!(error instanceof Refusal)) throw error;
  console.error(`package: ${error.message}.`);
  process.exitCode = 1;
}

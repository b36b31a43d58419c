// The platforms that there is a package for: the folders packages/OS-CPU-ABI.
import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Refusal } from "./run.js";

export const root = fileURLToPath(new URL("../..", import.meta.url));

/** @param {string} platform such as linux-x64-gnu */
export const packageFolder = (platform) => join(root, "packages", platform);

/** @param {string} folder @returns {Record<string, any>} its package.json */
export const manifestOf = (folder) => JSON.parse(readFileSync(join(folder, "package.json"), "utf8"));

export const PLATFORMS = readdirSync(join(root, "packages")).filter((name) => /^linux-\w+-gnu$/.test(name));

/** The platform of this machine. */
export const OWN_PLATFORM = `${process.platform}-${process.arch}-gnu`;

/** What npm decides by which package it installs: the fields of package.json that a platform's name stands for. */
export function npmFields(/** @type {string} */ platform) {
  const [os, cpu, abi] = platform.split("-");
  return { os: [os], cpu: [cpu], libc: [abi === "gnu" ? "glibc" : abi] };
}

/** GNU's name for a platform's processor. */
export const gnuProcessor = (/** @type {string} */ platform) =>
  ({ x64: "x86_64", arm64: "aarch64" })[/** @type {"x64" | "arm64"} */ (platform.split("-")[1])];

/** A tool of binutils or GCC that makes files for the platform. */
export const toolFor = (/** @type {string} */ platform, /** @type {string} */ tool) =>
  platform === OWN_PLATFORM ? tool : `${gnuProcessor(platform)}-linux-gnu-${tool}`;

/** Refuses packages of different versions, which npm would not install together. */
export function checkVersions(/** @type {Record<string, any>} */ bidora, /** @type {Record<string, any>} */ platform) {
  const asked = bidora.optionalDependencies?.[platform.name];
  if (platform.version === bidora.version && asked === bidora.version) return;
  throw new Refusal(
    `bidora is ${bidora.version} and asks for ${platform.name} ${asked ?? "not at all"}, which is ${platform.version}: make them the same version`,
  );
}

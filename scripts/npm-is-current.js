// Exits with 0 when node_modules holds exactly what package-lock.json asks for, else with 1.
import { readFileSync } from "node:fs";

/** @returns {Record<string, { version?: string, optional?: boolean, peer?: boolean, devOptional?: boolean }>} */
function packagesOf(/** @type {string} */ path) {
  try {
    const { "": _root, ...packages } = JSON.parse(readFileSync(new URL(path, import.meta.url), "utf8")).packages;
    return packages;
  } catch {
    return {};
  }
}

const wanted = packagesOf("../package-lock.json");
const installed = packagesOf("../node_modules/.package-lock.json");
const missing = Object.entries(wanted).some(([name, { version, optional, devOptional, peer }]) =>
  installed[name] ? installed[name].version !== version : !(optional || devOptional || peer),
);
const surplus = Object.keys(installed).some((name) => !wanted[name]);
process.exitCode = missing || surplus ? 1 : 0;

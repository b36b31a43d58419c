// The packages as `npm run package` makes them.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { REPOSITORY, temporaryFolder } from "./places.js";
import { succeed } from "./processes.js";
import { megabytes } from "./written.js";

const MAX_TARBALL_BYTES = 120e6;

/** @param folder with tarballs; they are made if it isn't given @returns their paths */
export async function tarballs(folder: string | undefined): Promise<string[]> {
  const output = folder ?? temporaryFolder("packages");
  if (folder === undefined)
    await succeed(["npm", "run", "--silent", "package", "--", "--output", output], { cwd: REPOSITORY });
  return readdirSync(output)
    .filter((name) => name.endsWith(".tgz"))
    .map((name) => join(output, name));
}

/**
 * Folders with empty packages for the platforms that have no tarball: yarn 1 installs nothing if a package for another platform is
 * missing from the registry.
 */
export function emptyPackages(paths: readonly string[]): string[] {
  const { optionalDependencies } = JSON.parse(readFileSync(join(REPOSITORY, "package.json"), "utf8"));
  return Object.entries<string>(optionalDependencies)
    .filter(([name]) => !paths.some((path) => basename(path).startsWith(`${name.slice(1).replace("/", "-")}-`)))
    .map(([name, version]) => emptyPackage(name, version));
}

/** @param name such as `@bidora/linux-arm64-gnu` */
function emptyPackage(name: string, version: string): string {
  const [os, cpu] = basename(name).split("-");
  const folder = temporaryFolder("empty");
  const manifest = { name, version, os: [os], cpu: [cpu], ...(os === "linux" && { libc: ["glibc"] }) };
  writeFileSync(join(folder, "package.json"), JSON.stringify(manifest));
  return folder;
}

/** Their sizes. @throws Error if one is too large */
export function tarballSizes(paths: readonly string[]): string {
  const sizes = paths.map((path) => ({ name: basename(path), bytes: statSync(path).size }));
  const text = sizes.map(({ name, bytes }) => `${name} ${megabytes(bytes)}`).join(", ");
  if (sizes.some(({ bytes }) => bytes > MAX_TARBALL_BYTES)) throw new Error(text);
  return text;
}

// The packages as `npm run package` makes them.
import { readdirSync, readFileSync, statSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { REPOSITORY, temporaryFolder } from "./places.js";
import { run, succeeded } from "./processes.js";
import { Skipped } from "./summary.js";
import { megabytes } from "./written.js";

/**
 * @param folder with tarballs; they are made if it isn't given
 * @returns their paths
 * @throws Skipped if this machine lacks what they are made of or with
 */
export async function tarballs(folder: string | undefined): Promise<string[]> {
  const output = folder ?? (await pack(temporaryFolder("packages")));
  return readdirSync(output)
    .filter((name) => name.endsWith(".tgz"))
    .map((name) => join(output, name));
}

/** What `npm run package` says where torch's wheel, pip or a compiler can't be had. */
const LACKS = /^package: (pip found no CPU wheel .*|.* is not installed.*)/m;

async function pack(output: string): Promise<string> {
  const command = ["npm", "run", "--silent", "package", "--", "--output", output];
  const ended = await run(command, { cwd: REPOSITORY });
  const [, lacks] = LACKS.exec(ended.stderr) ?? [];
  if (lacks !== undefined) throw new Skipped(lacks);
  succeeded(ended, command.join(" "));
  return output;
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

/** Their sizes, which `npm run package` limits. */
export const tarballSizes = (paths: readonly string[]): string =>
  paths.map((path) => `${basename(path)} ${megabytes(statSync(path).size)}`).join(", ");

// The packages as `npm run package` makes them.
import { readdirSync, statSync } from "node:fs";
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

/** Their sizes. @throws Error if one is too large */
export function tarballSizes(paths: readonly string[]): string {
  const sizes = paths.map((path) => ({ name: basename(path), bytes: statSync(path).size }));
  const text = sizes.map(({ name, bytes }) => `${name} ${megabytes(bytes)}`).join(", ");
  if (sizes.some(({ bytes }) => bytes > MAX_TARBALL_BYTES)) throw new Error(text);
  return text;
}

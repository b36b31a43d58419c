import { readdirSync, statSync } from "node:fs";
import { resolve, sep } from "node:path";
import { BidoraError, UsageError } from "./errors.js";

/**
 * The path of a folder that a command may write: new or empty, or one that `overwrite` gives away.
 * @param inputs folders that the command reads, which must not go with it
 * @throws UsageError when none is named, BidoraError `OUTPUT_IN_USE`
 */
export function freeOutput(output: string | undefined, overwrite: boolean, inputs: readonly string[] = []): string {
  if (output === undefined) throw new UsageError("--output is missing: name the folder to write.");
  const path = resolve(output);
  const found = statSync(path, { throwIfNoEntry: false });
  if (!found) return path;
  if (!found.isDirectory()) throw inUse(`${output} is a file; name a folder`);
  if (readdirSync(path).length === 0) return path;
  if (!overwrite)
    throw inUse(`${output} is not empty: name another folder, or give --overwrite to replace what is there`);
  const held = [process.cwd(), ...inputs.map((input) => resolve(input))].find((input) => isWithin(input, path));
  if (held !== undefined) throw inUse(`${output} cannot be replaced, because ${held} is in it`);
  return path;
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function inUse(why: string): BidoraError {
  return new BidoraError("OUTPUT_IN_USE", `--output ${why}.`);
}

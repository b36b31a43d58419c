import { existsSync, mkdtempSync, readdirSync, rmdirSync, statSync } from "node:fs";
import { dirname, join, resolve, sep } from "node:path";
import { BidoraError, UsageError } from "./errors.js";

/**
 * The path of a folder that a command may write: new or empty, or one that `overwrite` gives away.
 * @param inputs folders that the command reads, which must not go with it
 * @throws UsageError when none is named, BidoraError `OUTPUT_IN_USE`
 */
export function freeOutput(output: string | undefined, overwrite: boolean, inputs: readonly string[] = []): string {
  if (output === undefined) throw new UsageError("--output is missing: name the folder to write.");
  const path = resolve(output);
  checkWritable(path);
  if (!existsSync(path)) return path;
  if (!statSync(path).isDirectory()) throw inUse(`${output} is a file; name a folder`);
  if (readdirSync(path).length === 0) return path;
  if (!overwrite)
    throw inUse(`${output} is not empty: name another folder, or give --overwrite to replace what is there`);
  const held = [process.cwd(), ...inputs.map((input) => resolve(input))].find((input) => isWithin(input, path));
  if (held !== undefined) throw inUse(`${output} cannot be replaced, because ${held} is in it`);
  return path;
}

/**
 * Finds out before a long computation whether something can be made at `path`, by making something beside it.
 * @throws BidoraError `OUTPUT` that says what is in the way
 */
export function checkWritable(path: string): void {
  const above = nearestThere(path);
  try {
    rmdirSync(mkdtempSync(join(above, ".bidora-")));
  } catch (cause) {
    const { code, message } = cause as NodeJS.ErrnoException;
    const why =
      code === "ENOTDIR" ? `${above} is a file` : `${above} does not let anything be written (${code ?? message})`;
    throw new BidoraError("OUTPUT", `--output ${path} can't be written: ${why}.`, { cause });
  }
}

/** The path itself if it is a folder that is there, else the nearest thing above it that is. */
function nearestThere(path: string): string {
  for (let above = path; ; above = dirname(above)) {
    const isThere = existsSync(above) && (above !== path || statSync(above).isDirectory());
    if (isThere || above === dirname(above)) return above;
  }
}

function isWithin(path: string, folder: string): boolean {
  return path === folder || path.startsWith(folder.endsWith(sep) ? folder : folder + sep);
}

function inUse(why: string): BidoraError {
  return new BidoraError("OUTPUT_IN_USE", `--output ${why}.`);
}

import { createHash } from "node:crypto";
import { readdirSync, readFileSync } from "node:fs";
import { open } from "node:fs/promises";
import { join } from "node:path";
import { BidoraError } from "../errors.js";
import { statOf } from "../fileSystem.js";
import { writeFileAtomic } from "./atomic.js";

/** In the format of coreutils: `sha256sum -c SHA256SUMS` checks it too. */
export const CHECKSUMS = "SHA256SUMS";
/** A checksum, and the path of a file within the folder. */
const LINE = /^([0-9a-f]{64}) {2}((?:(?!\.{1,2}\/)[^/\\]+\/)*[^/\\]+)$/;
const CHUNK_BYTES = 2 ** 22;

export function sha256(data: string | Uint8Array): string {
  return createHash("sha256").update(data).digest("hex");
}

/** The checksum of a file, read in chunks so that the event loop keeps running. */
export async function sha256OfFile(path: string, signal?: AbortSignal): Promise<string> {
  const hash = createHash("sha256");
  const buffer = Buffer.allocUnsafe(CHUNK_BYTES);
  const file = await open(path);
  try {
    for (;;) {
      const { bytesRead } = await file.read(buffer, 0, buffer.length, null);
      signal?.throwIfAborted();
      if (bytesRead === 0) return hash.digest("hex");
      hash.update(buffer.subarray(0, bytesRead));
    }
  } finally {
    await file.close();
  }
}

/** One line for each file, in the order given. */
export async function checksumsOf(folder: string, names: readonly string[], signal?: AbortSignal): Promise<string> {
  let lines = "";
  for (const name of names) lines += `${await sha256OfFile(join(folder, name), signal)}  ${name}\n`;
  return lines;
}

/** Writes the checksums of all files in a folder and its subfolders, replacing earlier ones. */
export async function writeChecksums(folder: string): Promise<void> {
  const names = readdirSync(folder, { recursive: true, encoding: "utf8" });
  const files = names.filter((name) => name !== CHECKSUMS && statOf(join(folder, name))?.isFile());
  writeFileAtomic(join(folder, CHECKSUMS), await checksumsOf(folder, files.sort()));
}

/**
 * Checks that a folder's files still match their checksums.
 * @param needed files that must be listed
 * @throws BidoraError `CHECKSUMS` that names the missing or changed file
 */
export async function verifyChecksums(folder: string, needed: readonly string[]): Promise<void> {
  const sums = readChecksums(folder);
  const unlisted = needed.find((name) => !sums.has(name));
  if (unlisted !== undefined) throw fault(`${CHECKSUMS} does not list ${unlisted}`);
  for (const [name, sum] of sums) {
    requireFile(folder, name);
    if ((await sha256OfFile(join(folder, name))) !== sum) throw fault(`${name} has changed since it was saved`);
  }
}

function readChecksums(folder: string): ReadonlyMap<string, string> {
  requireFile(folder, CHECKSUMS);
  const lines = readFileSync(join(folder, CHECKSUMS), "utf8").split("\n").slice(0, -1);
  return new Map(
    lines.map((line) => {
      const [, sum, name] = LINE.exec(line) ?? [];
      if (sum === undefined || name === undefined) throw fault(`${CHECKSUMS} has changed since it was saved`);
      return [name, sum];
    }),
  );
}

/** Requires a regular file: reading a pipe might never end. */
function requireFile(folder: string, name: string): void {
  const found = statOf(join(folder, name));
  if (found === undefined) throw fault(`${name} is missing`);
  if (!found.isFile()) throw fault(`${name} is not a file`);
}

function fault(what: string): BidoraError {
  return new BidoraError("CHECKSUMS", what);
}

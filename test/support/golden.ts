import { createHash } from "node:crypto";
import {
  cpSync,
  existsSync,
  mkdirSync,
  readdirSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from "node:fs";
import { basename, dirname, join } from "node:path";
import { fileURLToPath } from "node:url";

/** The repository, whether this file is run from its source or from its build. */
function rootOf(folder: string): string {
  return existsSync(join(folder, "package-lock.json")) ? folder : rootOf(dirname(folder));
}

export const REPOSITORY = rootOf(dirname(fileURLToPath(import.meta.url)));
const PACKED = "golden.safetensors";
const DAY = 24 * 3600 * 1000;

interface Entry {
  readonly data_offsets: readonly [number, number];
}

/** A folder where the paths that `earlier/` holds, from `test/golden` on, lead to the golden files. */
export const EARLIER_ROOT = unpackedCopy(join(REPOSITORY, "test", "golden"), join(REPOSITORY, "build", "golden"));
/** The golden files, in a copy of `test/golden` where each safetensors file is one of its own. */
export const GOLDEN = join(EARLIER_ROOT, "test", "golden");

/** @returns a folder in `copies`, which has the copy of the present files only */
function unpackedCopy(source: string, copies: string): string {
  const names = readdirSync(source, { recursive: true, encoding: "utf8" }).sort();
  const hash = createHash("sha256");
  for (const name of names) {
    const file = statSync(join(source, name));
    if (file.isFile()) hash.update(`${name} ${file.size} ${file.mtimeMs}\n`);
  }
  const key = hash.digest("hex").slice(0, 16);
  const folder = join(copies, key);
  if (existsSync(folder)) return folder;
  const made = join(copies, `${key}-${process.pid}`);
  const copy = join(made, "test", "golden");
  for (const name of names) if (basename(name) === PACKED) unpack(join(source, name), dirname(join(copy, name)));
  cpSync(source, copy, { recursive: true, filter: (path) => basename(path) !== PACKED });
  try {
    renameSync(made, folder);
  } catch {
    rmSync(made, { recursive: true }); // another worker was faster
  }
  for (const name of readdirSync(copies)) {
    const old = join(copies, name);
    // A run that began before the files changed may still read it.
    if (old !== folder && statSync(old).mtimeMs < Date.now() - DAY) rmSync(old, { recursive: true, force: true });
  }
  return folder;
}

/** Writes the files that `test/golden/packed.py` packed, byte by byte as they were. */
function unpack(path: string, folder: string): void {
  const content = readFileSync(path);
  const start = 8 + Number(content.readBigUInt64LE());
  const { __metadata__, ...entries } = JSON.parse(content.toString("utf8", 8, start));
  const files = new Map(Object.keys(__metadata__).map((file) => [file, [] as [string, Entry][]]));
  for (const [name, entry] of Object.entries<Entry>(entries)) {
    const [file = "", tensor = ""] = name.split(/ : (.*)/s);
    files.get(file)?.push([tensor, entry]);
  }
  for (const [file, tensors] of files) {
    const offsets = tensors.flatMap(([, entry]) => entry.data_offsets);
    const [first, end] = [Math.min(...offsets), Math.max(...offsets)];
    const lines = tensors.map(([name, entry]) => {
      const moved = { ...entry, data_offsets: entry.data_offsets.map((at) => at - first) };
      return `${JSON.stringify(name)}:${JSON.stringify(moved)}`;
    });
    if (__metadata__[file] !== "{}") lines.unshift(`"__metadata__":${__metadata__[file]}`);
    const header = Buffer.from(`{${lines.join(",")}}`);
    const padding = -header.length & 7;
    const length = Buffer.alloc(8);
    length.writeBigUInt64LE(BigInt(header.length + padding));
    mkdirSync(dirname(join(folder, file)), { recursive: true });
    const data = content.subarray(start + first, start + end);
    writeFileSync(join(folder, file), Buffer.concat([length, header, Buffer.alloc(padding, " "), data]));
  }
}

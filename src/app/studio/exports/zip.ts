/** Files as one ZIP archive, sent while they are read. */
import { createReadStream, statSync } from "node:fs";
import { Readable } from "node:stream";
import { Zip, ZipPassThrough } from "fflate";

export interface ZippedFile {
  /** In the archive. */
  readonly name: string;
  readonly path: string;
}

/** Sizes and places in an archive of this form are numbers of 32 bits. */
export const MOST_ZIPPED = 2 ** 32 - 2 ** 20;

const PART = 1 << 20;

/** The archive. Files are not compressed: most are weights, of which little would be gained. */
export function zipOf(files: readonly ZippedFile[]): ReadableStream<Uint8Array> {
  return Readable.toWeb(Readable.from(parts(files))) as ReadableStream<Uint8Array>;
}

async function* parts(files: readonly ZippedFile[]): AsyncGenerator<Uint8Array> {
  const ready: Uint8Array[] = [];
  const zip = new Zip((error, part) => {
    if (error) throw error;
    ready.push(part);
  });
  for (const { name, path } of files) {
    const entry = new ZipPassThrough(name);
    entry.mtime = statSync(path).mtime;
    zip.add(entry);
    for await (const part of createReadStream(path, { highWaterMark: PART })) {
      entry.push(part as Buffer);
      yield* ready.splice(0);
    }
    entry.push(new Uint8Array(0), true);
    yield* ready.splice(0);
  }
  zip.end();
  yield* ready.splice(0);
}

import { crc32 } from "node:zlib";

/** A zip file with its contents stored as they are. */
export function zip(files: Readonly<Record<string, string>>): Buffer {
  const locals: Buffer[] = [];
  const directory: Buffer[] = [];
  let offset = 0;
  for (const [name, content] of Object.entries(files)) {
    const local = Buffer.concat([header(0x04034b50, 30, 4, name, content), Buffer.from(name), Buffer.from(content)]);
    const central = header(0x02014b50, 46, 6, name, content);
    central.writeUInt32LE(offset, 42);
    directory.push(central, Buffer.from(name));
    locals.push(local);
    offset += local.length;
  }
  const size = directory.reduce((sum, part) => sum + part.length, 0);
  const end = Buffer.alloc(22);
  end.writeUInt32LE(0x06054b50, 0);
  end.writeUInt16LE(locals.length, 8);
  end.writeUInt16LE(locals.length, 10);
  end.writeUInt32LE(size, 12);
  end.writeUInt32LE(offset, 16);
  return Buffer.concat([...locals, ...directory, end]);
}

/** The fields that a local and a central header share, which begin at `at`. */
function header(signature: number, length: number, at: number, name: string, content: string): Buffer {
  const bytes = Buffer.alloc(length);
  bytes.writeUInt32LE(signature, 0);
  bytes.writeUInt32LE(crc32(content), at + 10);
  bytes.writeUInt32LE(Buffer.byteLength(content), at + 14);
  bytes.writeUInt32LE(Buffer.byteLength(content), at + 18);
  bytes.writeUInt16LE(Buffer.byteLength(name), at + 22);
  return bytes;
}

import { readFileSync, renameSync, truncateSync, utimesSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openSafetensors, saveSafetensors, writeSafetensors } from "../../src/formats/safetensors/safetensors.js";
import * as torch from "../../src/torch/index.js";
import { GOLDEN } from "../support/golden.js";
import { bytesEntry } from "./bytesEntry.js";
import { temporaryFolders } from "./temporaryFolder.js";

const DTYPES_FILE = join(GOLDEN, "io/dtypes.safetensors");
const DTYPES = Object.keys(torch.DTYPE_BYTES) as torch.DType[];
const folder = temporaryFolders();
/** So many bytes are mapped. */
const LARGE = 2 ** 16;

/** The values of make_safetensors.py. */
function counted(dtype: torch.DType): number[] {
  const signed = dtype !== "bool" && dtype !== "uint8";
  return Array.from({ length: 15 }, (_, i) => (dtype === "bool" ? i % 2 : signed ? i - 3 : i));
}

describe("openSafetensors", () => {
  it.each(DTYPES)("reads %s as written by the reference implementation", (dtype) => {
    const file = openSafetensors(DTYPES_FILE);
    const tensor = file.readTensor(`${dtype}.weight`);
    expect(tensor.dtype).toBe(dtype);
    expect(tensor.shape).toEqual([3, 5]);
    expect(tensor.toArray()).toEqual(counted(dtype));
    expect(Buffer.from(tensor.bytes())).toEqual(Buffer.from(file.readBytes(`${dtype}.weight`)));
    file.close();
  });

  it.each(DTYPES)("maps a large tensor of %s, and what is written to it stays out of the file", (dtype) => {
    const path = join(folder(), "large.safetensors");
    const bytes = Uint8Array.from({ length: LARGE }, (_, i) => i % 2);
    const shape = [LARGE / torch.DTYPE_BYTES[dtype]];
    torch.scope(() => saveSafetensors(path, [["weight", torch.fromBytes(bytes, shape, dtype)]]));
    const before = readFileSync(path);
    const file = openSafetensors(path);
    torch.scope(() => {
      const tensor = file.readTensor("weight", true);
      file.close();
      expect(readFileSync("/proc/self/maps", "utf8")).toContain(path);
      expect(Buffer.from(tensor.bytes()).equals(bytes)).toBe(true);
      torch.fill_(tensor, 1);
      expect(torch.equal(tensor, torch.ones(shape, { dtype }))).toBe(true);
    });
    expect(readFileSync(path).equals(before)).toBe(true);
  });

  it("reads tensors that are empty, small or not aligned, though they may be mapped", () => {
    const path = join(folder(), "unaligned.safetensors");
    const empty = `"none":{"dtype":"U8","shape":[0],"data_offsets":[0,0]}`;
    const small = `"small":{"dtype":"U8","shape":[1],"data_offsets":[0,1]}`;
    const unaligned = `"unaligned":{"dtype":"F32","shape":[${LARGE / 4}],"data_offsets":[1,${LARGE + 1}]}`;
    const header = Buffer.from(`{${empty},${small},${unaligned}}`.padEnd(4096 - 8));
    const length = Buffer.alloc(8);
    length.writeUInt32LE(header.length);
    const values = Buffer.from(new Float32Array(LARGE / 4).fill(0.5).buffer);
    writeFileSync(path, Buffer.concat([length, header, Buffer.of(7), values]));
    const file = openSafetensors(path);
    expect(file.readTensor("none", true).shape).toEqual([0]);
    expect(file.readTensor("small", true).item()).toBe(7);
    expect(torch.max(file.readTensor("unaligned", true)).item()).toBe(0.5);
    expect(readFileSync("/proc/self/maps", "utf8")).not.toContain(path);
    file.close();
  });

  it("returns names, shapes and metadata without reading tensors", () => {
    const file = openSafetensors(DTYPES_FILE);
    expect(file.metadata).toEqual({ format: "pt" });
    expect(file.names.length).toBe(DTYPES.length);
    expect(file.info("float16.weight")).toMatchObject({ dtype: "F16", shape: [3, 5] });
    expect(file.has("nothing")).toBe(false);
    expect(() => file.readTensor("nothing")).toThrow(/no tensor 'nothing'/);
    file.close();
    file.close();
    expect(() => file.readTensor("float16.weight")).toThrow(/closed/);
  });

  it("reads the bytes of an 8-bit float, but no tensor", () => {
    const path = join(folder(), "f8.safetensors");
    writeSafetensors(path, [bytesEntry("q", "F8_E4M3", [3], Uint8Array.of(1, 2, 3))]);
    const file = openSafetensors(path);
    expect(() => file.readTensor("q")).toThrow(/'q' has dtype F8_E4M3, which is not supported/);
    expect([...file.readBytes("q")]).toEqual([1, 2, 3]);
    file.close();
  });

  it.each([
    ["cut in the data", (bytes: Buffer) => bytes.subarray(0, -1), /truncated: the tensors need/],
    ["cut in the header", (bytes: Buffer) => bytes.subarray(0, 100), /truncated: the header/],
    ["cut in the length", (bytes: Buffer) => bytes.subarray(0, 5), /has 5 bytes/],
    ["empty", () => Buffer.alloc(0), /has 0 bytes/],
    ["with extra bytes", (bytes: Buffer) => Buffer.concat([bytes, Buffer.alloc(3)]), /3 bytes at the end/],
    ["of another format", () => Buffer.from("PK\x03\x04 this is a zip file"), /not a safetensors file/],
  ])("refuses a file %s, naming it", (_, change, message) => {
    const path = join(folder(), "bad.safetensors");
    writeFileSync(path, change(readFileSync(DTYPES_FILE)));
    expect(() => openSafetensors(path)).toThrow(message);
    expect(() => openSafetensors(path)).toThrow(path);
  });

  it("names a missing file", () => {
    expect(() => openSafetensors("/nowhere/m.safetensors")).toThrow("/nowhere/m.safetensors: there is no such file.");
  });

  it("notices if an open file is truncated", () => {
    const path = join(folder(), "m.safetensors");
    writeFileSync(path, readFileSync(DTYPES_FILE));
    const file = openSafetensors(path);
    truncateSync(path, 900);
    expect(() => file.readBytes("bool.weight")).toThrow(/truncated while being read/);
    expect(() => file.readTensor("bool.weight")).toThrow();
    file.close();
  });
});

describe("an open file that another program writes to", () => {
  it("is refused, and one that was replaced by another file is read as it was", () => {
    const path = join(folder(), "m.safetensors");
    writeFileSync(path, readFileSync(DTYPES_FILE));
    const before = openSafetensors(path);
    expect(before.readTensor("float32.weight").toArray()).toEqual(counted("float32"));
    writeFileSync(`${path}.new`, "another file");
    renameSync(`${path}.new`, path);
    expect(before.readTensor("int64.weight").toArray()).toEqual(counted("int64"));
    before.close();

    writeFileSync(path, readFileSync(DTYPES_FILE));
    const file = openSafetensors(path);
    utimesSync(path, 1, 1);
    const message = `${path}: it was changed while being read: run the command again when nothing writes to it.`;
    expect(() => file.readTensor("float32.weight")).toThrow(message);
    expect(() => file.readBytes("float32.weight")).toThrow(message);
    file.close();
  });
});

describe("saveSafetensors", () => {
  it("writes the same bytes as the reference implementation for every dtype", () => {
    const path = join(folder(), "m.safetensors");
    const tensors = DTYPES.map((dtype) => {
      const values = torch.tensor(counted(dtype), [3, 5], "float32");
      return [`${dtype}.weight`, torch.to(values, dtype)] as const;
    });
    saveSafetensors(path, tensors, { format: "pt" });
    expect(readFileSync(path)).toEqual(readFileSync(DTYPES_FILE));
  });

  it("writes a transposed view in row-major order", () => {
    const path = join(folder(), "m.safetensors");
    saveSafetensors(path, [["t", torch.t(torch.tensor([1, 2, 3, 4, 5, 6], [2, 3]))]]);
    const file = openSafetensors(path);
    const back = file.readTensor("t");
    expect(back.shape).toEqual([3, 2]);
    expect(back.toArray()).toEqual([1, 4, 2, 5, 3, 6]);
    file.close();
  });
});

describe("memory", () => {
  it("reads a tensor without a second copy", () => {
    const path = join(folder(), "large.safetensors");
    const part = new Uint8Array(16 * 2 ** 20);
    writeSafetensors(
      path,
      Array.from({ length: 12 }, (_, i) => bytesEntry(`t${i}`, "U8", [part.length], part)),
    );
    const file = openSafetensors(path);
    const before = process.memoryUsage().rss;
    const tensors = file.names.map((name) => file.readTensor(name));
    const grown = process.memoryUsage().rss - before;
    expect(tensors.length).toBe(12);
    expect(grown / (12 * part.length)).toBeGreaterThan(0.9);
    expect(grown / (12 * part.length)).toBeLessThan(1.2);
    for (const tensor of tensors) tensor.dispose();
    file.close();
  });
});

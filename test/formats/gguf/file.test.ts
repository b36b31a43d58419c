import { mkdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { openGguf } from "../../../src/formats/gguf/file.js";
import { GOLDEN } from "../../support/golden.js";
import { temporaryFolders } from "../temporaryFolder.js";

const golden = (name: string) => join(GOLDEN, `io/gguf/${name}`);
const folder = temporaryFolders();

function saved(bytes: Uint8Array): string {
  const path = join(folder(), "x.gguf");
  writeFileSync(path, bytes);
  return path;
}

const u32 = (value: number) => Buffer.from(Uint32Array.of(value).buffer);
const u64 = (value: number | bigint) => Buffer.from(BigUint64Array.of(BigInt(value)).buffer);
const text = (value: string | Buffer) => Buffer.concat([u64(Buffer.from(value).length), Buffer.from(value)]);

interface Parts {
  readonly version?: number;
  readonly keys?: readonly (readonly [key: Buffer, type: number, value: Buffer])[];
  readonly tensors?: readonly (readonly [
    name: string,
    dimensions: readonly (number | bigint)[],
    type: number,
    offset: number | bigint,
  ])[];
  readonly data?: number;
  readonly keyCount?: number | bigint;
}

/** The bytes of a GGUF file with these parts. */
function made({ version = 3, keys = [], tensors = [], data = 0, keyCount = keys.length }: Parts): Buffer {
  const header = Buffer.concat([
    Buffer.from("GGUF"),
    u32(version),
    u64(tensors.length),
    u64(keyCount),
    ...keys.flatMap(([key, type, value]) => [key, u32(type), value]),
    ...tensors.flatMap(([name, dimensions, type, offset]) => [
      text(name),
      u32(dimensions.length),
      ...dimensions.map(u64),
      u32(type),
      u64(offset),
    ]),
  ]);
  return Buffer.concat([header, Buffer.alloc((32 - (header.length % 32)) % 32), Buffer.alloc(data)]);
}

const opened = (parts: Parts) => () => openGguf(saved(made(parts)));
const STRING = 8;
const ARRAY = 9;

describe("openGguf", () => {
  it("reads every type of metadata value", () => {
    const file = openGguf(golden("kinds.gguf"));
    const value = (key: string) => {
      const found = file.metadata.value(key)!;
      return found.type === "array" ? [found.of, ...found.values] : [found.type, found.value];
    };
    expect(value("a.uint8")).toEqual(["uint8", 255]);
    expect(value("a.int8")).toEqual(["int8", -128]);
    expect(value("a.uint16")).toEqual(["uint16", 65535]);
    expect(value("a.int16")).toEqual(["int16", -32768]);
    expect(value("a.uint32")).toEqual(["uint32", 4294967295]);
    expect(value("a.int32")).toEqual(["int32", -2147483648]);
    expect(value("a.uint64")).toEqual(["uint64", 2n ** 64n - 1n]);
    expect(value("a.int64")).toEqual(["int64", -(2n ** 63n)]);
    expect(value("a.small")).toEqual(["uint64", 7]);
    expect(value("a.float32")).toEqual(["float32", Math.fround(0.1)]);
    expect(value("a.float64")).toEqual(["float64", 0.1]);
    expect(value("a.bool")).toEqual(["bool", true]);
    expect(value("a.string")).toEqual(["string", "é 漢 😀\n"]);
    expect(value("a.bytes")).toEqual(["uint8", 1, 2, 3]);
    expect(value("a.numbers")).toEqual(["int32", 1, -2, 3]);
    expect(value("a.flags")).toEqual(["bool", true, false]);
    expect(value("a.texts")).toEqual(["string", "", "ab", "漢"]);
    expect(file.info("bf16")).toMatchObject({ type: "BF16", shape: [2, 3, 5] });
    expect(() => file.metadata.text("a.bool")).toThrow(/a.bool must be a string, but is bool true/);
    expect(() => file.metadata.count("a.numbers")).toThrow(/must be a non-negative integer, but is a list of int32/);
    expect(() => file.metadata.texts("a.numbers")).toThrow(/must be a list of strings/);
    expect(() => file.info("w")).toThrow(/there is no tensor 'w'/);
    file.close();
    // The header stays in memory.
    expect(file.metadata.texts("a.texts")).toEqual(["", "ab", "漢"]);
    expect(() => file.readBytes("f32")).toThrow(/closed/);
  });

  it("reads version 2, another alignment, a scalar and an empty tensor", () => {
    const alignment: Parts["keys"] = [[text("general.alignment"), 4, u32(64)]];
    const file = openGguf(
      saved(
        made({
          version: 2,
          keys: alignment,
          tensors: [
            ["e", [0, 3], 0, 0],
            ["s", [], 0, 0],
            ["t", [2], 0, 64],
          ],
          data: 200,
        }),
      ),
    );
    expect(file.info("e")).toMatchObject({ shape: [3, 0], byteLength: 0 });
    expect(file.info("s")).toMatchObject({ shape: [], byteLength: 4 });
    expect(file.info("t").begin % 64).toBe(0);
    file.close();
  });

  it.each<[string, Uint8Array, RegExp]>([
    ["an empty file", Buffer.alloc(0), /not a GGUF file: it has 0 bytes/],
    ["a file of another format", Buffer.from("PK\u0003\u0004 and so on"), /not a GGUF file: it begins with "PK/],
    ["version 1", made({ version: 1 }), /version 1 of the GGUF format; supported are 2 and 3/],
    [
      "a big-endian file",
      Buffer.concat([Buffer.from("GGUF"), Buffer.from([0, 0, 0, 3]), Buffer.alloc(16)]),
      /big-endian.*gguf-convert-endian/,
    ],
    [
      "a header that ends early",
      made({}).subarray(0, 12),
      /truncated: the header continues past the end of the file at byte 12/,
    ],
  ])("refuses %s", (_, bytes, message) => {
    expect(() => openGguf(saved(bytes))).toThrow(message);
  });

  it.each<[string, Parts, RegExp]>([
    [
      "more entries than the file can hold",
      { keyCount: 2n ** 60n },
      /should have 1152921504606846976 metadata entries/,
    ],
    ["a string longer than the file", { keys: [[u64(1e9), STRING, u32(0)]] }, /should have 1000000000 bytes of text/],
    [
      "a list longer than the file",
      { keys: [[text("k"), ARRAY, Buffer.concat([u32(4), u64(2 ** 40)])]] },
      /1099511627776 values in k/,
    ],
    ["a list of lists", { keys: [[text("k"), ARRAY, Buffer.concat([u32(ARRAY), u64(0)])]] }, /k is a list of lists/],
    ["an unknown value type", { keys: [[text("k"), 13, u32(0)]] }, /k has a value of the unknown type 13/],
    ["a boolean of 2", { keys: [[text("k"), 7, Buffer.from([2])]] }, /boolean before byte \d+ is 2/],
    ["invalid UTF-8", { keys: [[text(Buffer.from([255])), 7, Buffer.from([1])]] }, /not valid UTF-8/],
    [
      "a duplicate key",
      {
        keys: [
          [text("k"), 7, Buffer.from([1])],
          [text("k"), 7, Buffer.from([1])],
        ],
      },
      /the key 'k' twice/,
    ],
    [
      "an alignment that is not a power of two",
      { keys: [[text("general.alignment"), 4, u32(24)]] },
      /general.alignment is 24; expected a power of two/,
    ],
    ["an unknown element type", { tensors: [["w", [32], 99, 0]], data: 64 }, /tensor 'w' has the unknown type 99/],
    ["a removed element type", { tensors: [["w", [32], 4, 0]], data: 64 }, /tensor 'w' has the unknown type 4/],
    [
      "rows that don't fill blocks",
      { tensors: [["w", [33], 8, 0]], data: 64 },
      /rows of 33 elements, which do not fill Q8_0's blocks of 32/,
    ],
    ["five dimensions", { tensors: [["w", [1, 1, 1, 1, 1], 0, 0]], data: 64 }, /5 dimensions; at most 4 are allowed/],
    [
      "a dimension beyond any file",
      { tensors: [["w", [2n ** 63n], 0, 0]], data: 64 },
      /'w' has a size beyond any file/,
    ],
    [
      "a tensor size beyond any file",
      { tensors: [["w", [2 ** 30, 2 ** 30], 0, 0]], data: 64 },
      /'w' has a size beyond any file/,
    ],
    [
      "a duplicate tensor",
      {
        tensors: [
          ["w", [1], 0, 0],
          ["w", [1], 0, 32],
        ],
        data: 64,
      },
      /tensor 'w' occurs twice/,
    ],
    ["a misaligned tensor", { tensors: [["w", [1], 0, 16]], data: 64 }, /begins at 16, which is not a multiple of 32/],
    [
      "overlapping tensors",
      {
        tensors: [
          ["a", [9], 0, 0],
          ["b", [1], 0, 32],
        ],
        data: 64,
      },
      /'b' overlaps 'a'/,
    ],
    [
      "a tensor past the end",
      { tensors: [["w", [17], 0, 0]], data: 64 },
      /truncated: tensor 'w' ends at byte \d+, but the file has \d+/,
    ],
    [
      "an offset beyond any file",
      { tensors: [["w", [1], 0, 2n ** 63n]], data: 64 },
      /begins at 9223372036854775808, beyond any file/,
    ],
  ])("refuses %s", (_, parts, message) => {
    expect(opened(parts)).toThrow(message);
  });

  it("reports every truncated file as a GGUF error", () => {
    const whole = readFileSync(golden("kinds.gguf"));
    for (let length = 0; length < whole.length - 32; length += 7) {
      expect(() => openGguf(saved(whole.subarray(0, length)))).toThrow(expect.objectContaining({ code: "GGUF" }));
    }
  });

  it("refuses a missing file and a folder", () => {
    const where = folder();
    mkdirSync(join(where, "y.gguf"));
    expect(() => openGguf(join(where, "none.gguf"))).toThrow(/there is no such file/);
    expect(() => openGguf(join(where, "y.gguf"))).toThrow(expect.objectContaining({ code: "GGUF" }));
  });
});

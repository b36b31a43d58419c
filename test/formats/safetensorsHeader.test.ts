import { describe, expect, it } from "vitest";
import { headerLength, parseHeader } from "../../src/formats/safetensors/safetensorsHeader.js";

const parse = (header: string | object, dataBytes: number) =>
  parseHeader("m.safetensors", Buffer.from(typeof header === "string" ? header : JSON.stringify(header)), dataBytes);
const f32 = (shape: unknown, begin: unknown, end: unknown) => ({ dtype: "F32", shape, data_offsets: [begin, end] });

describe("parseHeader", () => {
  it("lists tensors in the order of the data, not of the keys", () => {
    const header = parse(
      { b: f32([2], 4, 12), __metadata__: { format: "pt" }, a: f32([], 0, 4), e: f32([0, 3], 12, 12) },
      12,
    );
    expect([...header.tensors.keys()]).toEqual(["a", "b", "e"]);
    expect(header.tensors.get("b")).toEqual({ name: "b", dtype: "F32", shape: [2], begin: 4, end: 12 });
    expect(header.metadata).toEqual({ format: "pt" });
  });

  it("accepts a file without tensors, padding, unknown keys and a null __metadata__", () => {
    expect(parse("{}   ", 0).tensors.size).toBe(0);
    expect(parse({ __metadata__: null, a: { ...f32([1], 0, 4), more: 1 } }, 4).metadata).toEqual({});
  });

  it("accepts metadata of millions of characters", () => {
    const note = '\\"'.repeat(5_000_000);
    expect(parse({ __metadata__: { note } }, 0).metadata).toEqual({ note });
  });

  it("lists a dtype that PyTorch doesn't have", () => {
    expect(parse({ a: { dtype: "F8_E4M3", shape: [3], data_offsets: [0, 3] } }, 3).tensors.get("a")?.dtype).toBe(
      "F8_E4M3",
    );
    expect(parse({ a: { dtype: "F4", shape: [2, 3], data_offsets: [0, 3] } }, 3).tensors.size).toBe(1);
  });

  const faults: [string, string | object, number, RegExp][] = [
    [
      "a duplicate key with quotes, escaped in two ways",
      '{"a\\"\\\\" : {}, "a\\u0022\\\\"\n:{}}',
      0,
      /key 'a"\\' twice/,
    ],
    ["broken JSON", '{"a":', 0, /not valid JSON/],
    ["a list", "[]", 0, /must be a JSON object/],
    ["a byte-order mark", "\uFEFF{}", 0, /not valid JSON/],
    [
      "a key twice",
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
      /key 'a' twice/,
    ],
    [
      "a key twice, once escaped",
      '{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"\\u0061":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}',
      4,
      /key 'a' twice/,
    ],
    [
      "a key twice inside",
      '{"a":{"dtype":"F32","dtype":"F16","shape":[2],"data_offsets":[0,4]}}',
      4,
      /key 'dtype' twice/,
    ],
    ["metadata that is not a string", { __metadata__: { n: 1 } }, 0, /__metadata__/],
    ["metadata that is a list", { __metadata__: [] }, 0, /__metadata__/],
    ["a tensor that is not an object", { a: 1 }, 0, /tensor 'a' must be described/],
    [
      "an unknown dtype",
      { a: { dtype: "F31", shape: [1], data_offsets: [0, 4] } },
      4,
      /'a' has the unknown dtype "F31"/,
    ],
    [
      "a dtype of lists within lists",
      `{"a":{"dtype":${"[".repeat(20_000)}${"]".repeat(20_000)},"shape":[1],"data_offsets":[0,4]}}`,
      4,
      /'a' has the unknown dtype a list of 1\./,
    ],
    ["no dtype", { a: { shape: [1], data_offsets: [0, 4] } }, 4, /has no dtype\./],
    ["a negative size", { a: f32([-1], 0, 4) }, 4, /'a' has the shape \[-1\]/],
    ["a fractional size", { a: f32([1.5], 0, 4) }, 4, /\[1.5\]/],
    [
      "a size beyond exact numbers",
      '{"a":{"dtype":"F32","shape":[9007199254740993],"data_offsets":[0,4]}}',
      4,
      /shape/,
    ],
    ["sizes whose product overflows", { a: f32([2 ** 40, 2 ** 40, 0], 0, 0) }, 0, /beyond any file/],
    ["no shape", { a: { dtype: "F32", data_offsets: [0, 4] } }, 4, /has no shape\./],
    ["one offset", { a: { dtype: "F32", shape: [1], data_offsets: [4] } }, 4, /data_offsets \[4\]/],
    ["a negative offset", { a: f32([1], -4, 0) }, 4, /data_offsets/],
    ["an end before the beginning", { a: f32([1], 4, 0) }, 4, /ends at byte 0, before/],
    ["a size that does not match", { a: f32([3], 0, 8) }, 8, /shape \[3\] and dtype F32, so 12 bytes, .* span 8/],
    ["bits that don't fill a byte", { a: { dtype: "F4", shape: [3], data_offsets: [0, 2] } }, 2, /whole bytes/],
    ["an overlap", { a: f32([2], 0, 8), b: f32([1], 4, 8) }, 8, /tensor 'b' .* overlaps/],
    ["two tensors with the same bytes", { a: f32([1], 0, 4), b: f32([1], 0, 4) }, 4, /tensor 'b' .* overlaps/],
    ["a hole", { a: f32([1], 0, 4), b: f32([1], 8, 12) }, 12, /tensor 'b' .* hole/],
    ["a hole at the start", { a: f32([1], 4, 8) }, 8, /tensor 'a' .* hole/],
    ["truncated data", { a: f32([3], 0, 12) }, 11, /truncated: the tensors need 12 bytes .* 11 are there/],
    ["bytes at the end", { a: f32([3], 0, 12) }, 14, /2 bytes at the end/],
  ];
  it.each(faults)("refuses %s", (_, header, dataBytes, message) => {
    expect(() => parse(header, dataBytes)).toThrow(message);
    expect(() => parse(header, dataBytes)).toThrow(/^m\.safetensors: [^\n]*\.$/);
  });

  it("refuses invalid UTF-8", () => {
    const bytes = Buffer.from('{"__metadata__":{"x":"\xff"}}', "latin1");
    expect(() => parseHeader("m", bytes, 0)).toThrow(/UTF-8/);
  });
});

describe("headerLength", () => {
  const first = (length: bigint) => {
    const bytes = Buffer.alloc(8);
    bytes.writeBigUInt64LE(length);
    return bytes;
  };

  it("reads lengths up to the limit", () => {
    expect(headerLength("m", first(4n), 12)).toBe(4);
    expect(headerLength("m", first(100_000_000n), 200_000_000)).toBe(100_000_000);
  });

  it.each([
    ["an empty file", 0n, 0, /has 0 bytes/],
    ["a file of 7 bytes", 0n, 7, /has 7 bytes/],
    ["a header beyond the file", 5n, 12, /truncated: the header should have 5 bytes, but only 4 follow/],
    ["a header beyond the limit", 100_000_001n, 200_000_000, /limit is 100000000/],
    ["a length of 2^64 - 1", 2n ** 64n - 1n, 100, /limit is/],
  ])("refuses %s", (_, length, fileBytes, message) => {
    expect(() => headerLength("m", first(length), fileBytes)).toThrow(message);
  });
});

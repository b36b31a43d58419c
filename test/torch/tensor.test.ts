import { closeSync, mkdtempSync, openSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, it } from "vitest";
import * as torch from "../../src/torch/index.js";
import { nested } from "./nested.js";

const { tensor } = torch;

it.each([
  ["float64", Float64Array.of(1.1, -2, Number.NaN)],
  ["float32", Float32Array.of(1.5, -2, Number.POSITIVE_INFINITY)],
  ["int64", BigInt64Array.of(2n ** 62n, -1n, 0n)],
  ["int32", Int32Array.of(2 ** 31 - 1, -1, 0)],
  ["int16", Int16Array.of(32767, -1, 0)],
  ["int8", Int8Array.of(127, -128, 0)],
  ["uint8", Uint8Array.of(255, 1, 0)],
] as const)("copies %s in and out", (dtype, data) => {
  const x = tensor(data);
  expect(x.dtype).toBe(dtype);
  const out = x.toTypedArray();
  expect(out).toEqual(data);
  data[2] = data[1] as never;
  expect(x.toTypedArray()).toEqual(out);
});

it("converts numbers to every dtype", () => {
  for (const dtype of Object.keys(torch.DTYPE_BYTES) as torch.DType[]) {
    const x = tensor([0, 1, 3], [3], dtype);
    expect([dtype, x.dtype, x.nbytes, ...x.toArray()]).toEqual([
      dtype,
      dtype,
      3 * torch.DTYPE_BYTES[dtype],
      0,
      1,
      dtype === "bool" ? 1 : 3,
    ]);
  }
  expect(tensor(Uint8Array.of(0, 2), [2], "bool").bytes()).toEqual(Uint8Array.of(0, 1));
  expect(tensor([2 ** 40], [1], "int64").toArray()).toEqual([2 ** 40]);
});

it("reads and writes the half types exactly", () => {
  const bits = Uint8Array.of(0x80, 0x3f, 0xc0, 0x7f, 0x01, 0x00); // 1, NaN, the smallest subnormal
  const brain = torch.fromBytes(bits, [3], "bfloat16");
  expect(brain.toArray()).toEqual([1, Number.NaN, 2 ** -133]);
  expect(brain.bytes()).toEqual(bits);
  const half = torch.fromBytes(Uint8Array.of(0x00, 0x3c, 0x00, 0xfc, 0x01, 0x00, 0x01, 0x3c), [4], "float16");
  expect(half.toArray()).toEqual([1, Number.NEGATIVE_INFINITY, 2 ** -24, 1 + 2 ** -10]);
});

it("accepts bytes at any alignment and refuses a wrong count", () => {
  const bytes = new Uint8Array(9);
  bytes.set(new Uint8Array(Float32Array.of(1, 2).buffer), 1);
  expect(torch.fromBytes(bytes.subarray(1), [2], "float32").toArray()).toEqual([1, 2]);
  expect(() => torch.fromBytes(bytes, [2], "float32")).toThrow(/expected 8 bytes .* got 9/);
  expect(() => tensor([1, 2, 3], [2])).toThrow(/got 24/);
  expect(torch.fromBytes(Uint8Array.of(0, 7), [2], "bool").bytes()).toEqual(Uint8Array.of(0, 1));
});

it("shapes without and with elements", () => {
  expect([tensor([5], []).shape, tensor([5], []).item(), tensor([5], []).numel]).toEqual([[], 5, 1]);
  const empty = torch.zeros([0, 3]);
  expect([empty.shape, empty.numel, empty.toArray(), empty.bytes().length]).toEqual([[0, 3], 0, [], 0]);
  expect(nested(torch.t(tensor([1, 2, 3, 4, 5, 6], [2, 3])))).toEqual([
    [1, 4],
    [2, 5],
    [3, 6],
  ]);
});

it("reads from files and writes to them at an offset", () => {
  const folder = mkdtempSync(join(tmpdir(), "tensor-"));
  const path = join(folder, "x");
  writeFileSync(path, Uint8Array.of(9, 1, 0, 2, 0, 0, 5));
  const fd = openSync(path, "r+");
  try {
    expect(torch.readFile(fd, 1, [2], "int16").toArray()).toEqual([1, 2]);
    expect(torch.readFile(fd, 5, [2], "bool").bytes()).toEqual(Uint8Array.of(0, 1));
    expect(() => torch.readFile(fd, 5, [2], "int16")).toThrow(/file ends before the tensor does/);
    expect(() => torch.readFile(999_999, 0, [1], "int8")).toThrow(/could not read the file: Bad file descriptor/);
    torch.writeFile(torch.t(tensor([1, 2, 3, 4], [2, 2], "int8")), fd, 2);
    expect([...readFileSync(path)]).toEqual([9, 1, 1, 3, 2, 4, 5]);
  } finally {
    closeSync(fd);
    rmSync(folder, { recursive: true });
  }
});

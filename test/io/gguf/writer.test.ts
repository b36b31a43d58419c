import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { openGguf } from "../../../src/io/gguf/file.js";
import type { GgufValue } from "../../../src/io/gguf/format.js";
import type { WritableType } from "../../../src/io/gguf/quantize.js";
import { type GgufEntry, writeGguf } from "../../../src/io/gguf/writer.js";
import { openSafetensors } from "../../../src/io/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../temporaryFolder.js";

const golden = (name: string) => fileURLToPath(new URL(`../../golden/io/gguf/${name}`, import.meta.url));
const folder = temporaryFolders();

const entry = (name: string, type: WritableType, values: readonly number[], shape = [values.length]): GgufEntry => ({
  name,
  type,
  shape,
  tensor: () => torch.tensor(values, shape),
});
const write = (values: readonly (readonly [string, GgufValue])[], entries: readonly GgufEntry[]) => () =>
  writeGguf(join(folder(), "x.gguf"), values, entries);

describe("writeGguf", () => {
  it("writes the very bytes of the Python package: every kind of value, every type", () => {
    const original = openGguf(golden("kinds.gguf"));
    const given = openSafetensors(golden("kinds.safetensors"));
    const path = join(folder(), "again.gguf");
    const values = original.metadata.keys.map((key) => [key, original.metadata.value(key)!] as const);
    const entries = Array.from(original.tensors.values(), ({ name, type, shape }) => ({
      name,
      type: type as WritableType,
      shape,
      tensor: () => given.readTensor(name),
    }));
    expect(entries.map(({ type }) => type)).toEqual(["F32", "F16", "BF16", "Q8_0"]);
    writeGguf(path, values, entries);
    expect(readFileSync(path).equals(readFileSync(golden("kinds.gguf")))).toBe(true);
    original.close();
    given.close();
  });

  it("reads what it has written", () => {
    const path = join(folder(), "x.gguf");
    writeGguf(
      path,
      [["general.architecture", { type: "string", value: "llama" }]],
      [entry("w", "F32", [1, 2, 3, 4, 5, 6], [2, 3])],
    );
    const file = openGguf(path);
    expect(file.metadata.text("general.architecture")).toBe("llama");
    expect(file.info("w")).toMatchObject({ type: "F32", shape: [2, 3] });
    expect([...new Float32Array(file.readBytes("w").buffer)]).toEqual([1, 2, 3, 4, 5, 6]);
    file.close();
  });

  it.each<[string, readonly (readonly [string, GgufValue])[], readonly GgufEntry[], RegExp]>([
    [
      "a key twice",
      [
        ["a", { type: "bool", value: true }],
        ["a", { type: "bool", value: true }],
      ],
      [],
      /metadata keys can't have the name 'a'/,
    ],
    ["a tensor twice", [], [entry("w", "F32", [1]), entry("w", "F32", [1])], /tensors can't have the name 'w'/],
    [
      "a number that its type can't hold",
      [["a", { type: "uint8", value: 256 }]],
      [],
      /value of a can't be written: 256 is no uint8/,
    ],
    ["a fraction as a whole number", [["a", { type: "int32", value: 0.5 }]], [], /0.5 is no int32/],
    [
      "a list with something else in it",
      [["a", { type: "array", of: "string", values: ["x", 1] }]],
      [],
      /1 is no string/,
    ],
    ["another alignment", [["general.alignment", { type: "uint32", value: 64 }]], [], /general.alignment must be 32/],
    ["rows that do not fill blocks", [], [entry("w", "Q8_0", Array(33).fill(1))], /rows of 33 elements/],
    ["what is not finite", [], [entry("w", "F32", [Number.NaN])], /'w' can't be written: .*finite F32/],
    ["what float16 can't hold", [], [entry("w", "F16", [1e6])], /finite F16/],
    ["what Q8_0 can't hold", [], [entry("w", "Q8_0", Array(32).fill(1e8))], /100000000 is too large for Q8_0/],
    ["a long name", [], [entry("w".repeat(64), "F32", [1])], /more than 63 bytes/],
  ])("refuses %s, and leaves nothing", (_, values, entries, message) => {
    expect(write(values, entries)).toThrow(message);
  });

  it("leaves nothing where a tensor fails", () => {
    const where = folder();
    const failing = { ...entry("b", "F32", [1]), tensor: () => torch.tensor([1, 2]) };
    expect(() => writeGguf(join(where, "x.gguf"), [], [entry("a", "F32", [1]), failing])).toThrow(
      /shape \[2\]; expected \[1\]/,
    );
    expect(readdirSync(where)).toEqual([]);
  });
});

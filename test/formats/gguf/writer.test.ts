import { readdirSync, readFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import type { WritableType } from "../../../src/formats/gguf/elements.js";
import { openGguf } from "../../../src/formats/gguf/file.js";
import type { GgufValue } from "../../../src/formats/gguf/types.js";
import { type GgufEntry, writeGguf } from "../../../src/formats/gguf/writer.js";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN } from "../../support/golden.js";
import { temporaryFolders } from "../temporaryFolder.js";

const golden = (name: string) => join(GOLDEN, `io/gguf/${name}`);
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
  it("writes the same bytes as the Python package, for every value type and element type", () => {
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

  it("writes files that openGguf reads", () => {
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
      "a duplicate key",
      [
        ["a", { type: "bool", value: true }],
        ["a", { type: "bool", value: true }],
      ],
      [],
      /two metadata keys have the name 'a'/,
    ],
    ["a duplicate tensor", [], [entry("w", "F32", [1]), entry("w", "F32", [1])], /two tensors have the name 'w'/],
    [
      "a number that its type can't hold",
      [["a", { type: "uint8", value: 256 }]],
      [],
      /value of a can't be written: 256 is not a valid uint8/,
    ],
    ["a fraction for an integer type", [["a", { type: "int32", value: 0.5 }]], [], /0.5 is not a valid int32/],
    [
      "a list with an element of another type",
      [["a", { type: "array", of: "string", values: ["x", 1] }]],
      [],
      /1 is not a valid string/,
    ],
    ["another alignment", [["general.alignment", { type: "uint32", value: 64 }]], [], /general.alignment must be 32/],
    ["rows that don't fill blocks", [], [entry("w", "Q8_0", Array(33).fill(1))], /rows of 33 elements/],
    [
      "values that are not finite",
      [],
      [entry("w", "F32", [Number.NaN])],
      /'w' can't be written: some values are not finite in F32/,
    ],
    ["values too large for float16", [], [entry("w", "F16", [1e6])], /some values are not finite in F16/],
    ["values too large for Q8_0", [], [entry("w", "Q8_0", Array(32).fill(1e8))], /100000000 is too large for Q8_0/],
    ["a name that is too long", [], [entry("w".repeat(64), "F32", [1])], /more than 63 bytes/],
  ])("refuses %s and leaves no file", (_, values, entries, message) => {
    expect(write(values, entries)).toThrow(message);
  });

  it("leaves no file if a tensor fails", () => {
    const where = folder();
    const failing = { ...entry("b", "F32", [1]), tensor: () => torch.tensor([1, 2]) };
    expect(() => writeGguf(join(where, "x.gguf"), [], [entry("a", "F32", [1]), failing])).toThrow(
      /shape \[2\]; expected \[1\]/,
    );
    expect(readdirSync(where)).toEqual([]);
  });
});

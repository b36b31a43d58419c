import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { type TensorEntry, writeSafetensors } from "../../src/formats/safetensors/safetensors.js";
import { GOLDEN } from "../support/golden.js";
import { bytesEntry } from "./bytesEntry.js";
import { temporaryFolders } from "./temporaryFolder.js";

const folder = temporaryFolders();

function float32(name: string, values: readonly number[], shape: readonly number[] = [values.length]): TensorEntry {
  return bytesEntry(name, "F32", shape, new Uint8Array(Float32Array.from(values).buffer));
}

const unwritable: TensorEntry = {
  ...float32("z", [1]),
  write: () => {
    throw new Error("disk full");
  },
};

describe("writeSafetensors", () => {
  it("sorts by dtype, then by name in UTF-8, and escapes names as the reference writer does", () => {
    const odd = ["z\u007f\u2028", "A", "a", 'quote"\\back\nline', "b.\ufb01", "b.\u{1f600}", "2", "10"];
    const scalar = new Uint8Array(Float64Array.of(2.5).buffer);
    const path = join(folder(), "names.safetensors");
    writeSafetensors(path, [
      ...odd.map((name) => float32(name, [-3, -2])),
      float32("empty", [], [0, 4]),
      bytesEntry("scalar", "F64", [], scalar),
    ]);
    expect(readFileSync(path)).toEqual(readFileSync(join(GOLDEN, "io/names.safetensors")));
  });

  it("writes each tensor once, in the order of the file", () => {
    const written: [string, number][] = [];
    const entry = (name: string): TensorEntry => ({
      ...float32(name, [1]),
      write: (_, position) => void written.push([name, position]),
    });
    writeSafetensors(join(folder(), "m.safetensors"), [entry("b"), entry("a")]);
    expect(written).toEqual([
      ["a", written[0]![1]],
      ["b", written[0]![1] + 4],
    ]);
  });

  it.each([
    ["a duplicate name", [float32("a", [1]), float32("a", [2])], /under the name 'a'/],
    ["the reserved name", [float32("__metadata__", [1])], /under the name '__metadata__'/],
    ["an entry whose write fails", [float32("a", [1]), unwritable], /disk full/],
  ])("refuses %s, and leaves the file that was there", (_, entries, message) => {
    const where = folder();
    const path = join(where, "m.safetensors");
    writeFileSync(path, "before");
    expect(() => writeSafetensors(path, entries)).toThrow(message);
    expect(readFileSync(path, "utf8")).toBe("before");
    expect(readdirSync(where)).toEqual(["m.safetensors"]);
  });
});

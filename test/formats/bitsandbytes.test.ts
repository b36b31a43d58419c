import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { openWeights } from "../../src/formats/checkpoint.js";
import { saveSafetensors } from "../../src/formats/safetensors/safetensors.js";
import * as torch from "../../src/torch/index.js";
import { expectSameBits } from "../torch/sameBits.js";
import { folderOf, layer, packed } from "./bitsandbytesFiles.js";
import { temporaryFolders } from "./temporaryFolder.js";

const folder = temporaryFolders();

const CASES = [
  ["nf4", "nf4", [24, 96], [64]],
  ["nf4-double", "nf4", [70, 320], [64, 256]],
  ["nf4-odd", "nf4", [5, 27], [64]],
  ["nf4-wide", "nf4", [6, 256], [256, 256]],
  ["fp4", "fp4", [24, 96], [64]],
  ["fp4-double", "fp4", [33, 130], [128, 256]],
  ["int8", "int8", [20, 50], []],
] as const;

describe("a matrix that bitsandbytes packed", () => {
  test.each(CASES)("%s is one tensor, with bitsandbytes' values", (name, format, shape, block) => {
    const tensors = layer(name);
    const weights = openWeights(folderOf(folder(), tensors));
    const whole = `${name}.weight`;
    expect(weights.names).toEqual([whole]);
    expect(weights.has(`${name}.weight.absmax`) || weights.has(`${name}.SCB`)).toBe(false);
    expect(weights.info(whole)).toMatchObject({ dtype: "F32", shape, storedAs: format });
    const { begin, end, partBytes } = weights.info(whole);
    expect(end - begin + partBytes!).toBe([...tensors.values()].reduce((sum, { nbytes }) => sum + nbytes, 0));
    const values = weights.readTensor(whole);
    expect(values.dtype).toBe("float32");
    expect(torch.equal(values, packed.get(`${name}.values`)!)).toBe(true); // fp4 has two zeros
    expect(Buffer.from(weights.readBytes(whole))).toEqual(Buffer.from(values.bytes()));
    const found = weights.packed(whole)!;
    expect([found.format, found.block]).toEqual([format, block]);
    const again = torch.packedWeight(found.read(), format, found.block, shape, "bfloat16");
    expect(torch.equal(torch.decodeWeight(again), packed.get(`${name}.values.bfloat16`)!)).toBe(true);
    weights.close();
  });

  test("may have its codes in tensors of any dtype", () => {
    const tensors = layer("nf4-double");
    const codes = tensors.get("nf4-double.weight")!;
    for (const [dtype, size] of [
      ["bfloat16", 2],
      ["float32", 4],
      ["int8", 1],
    ] as const) {
      // biome-ignore format: one line
      tensors.set("nf4-double.weight", torch.fromBytes(codes.bytes(), [codes.nbytes / size, 1], dtype));
      const weights = openWeights(folderOf(folder(), tensors));
      expectSameBits(weights.readTensor("nf4-double.weight"), packed.get("nf4-double.values")!);
      weights.close();
    }
  });

  test("may have its parts in several shards", () => {
    const where = folder();
    const tensors = [...layer("nf4-double")];
    const places = tensors.map(([name], i) => [name, `model-${(i % 3) + 1}.safetensors`] as const);
    for (const shard of [1, 2, 3])
      saveSafetensors(
        join(where, `model-${shard}.safetensors`),
        tensors.filter((_, i) => i % 3 === shard - 1),
      );
    writeFileSync(
      join(where, "model.safetensors.index.json"),
      JSON.stringify({ metadata: {}, weight_map: Object.fromEntries(places) }),
    );
    const weights = openWeights(where);
    expect([weights.names, weights.files.length]).toEqual([["nf4-double.weight"], 3]);
    expectSameBits(weights.readTensor("nf4-double.weight"), packed.get("nf4-double.values")!);
    weights.close();
  });

  test("may be int8 without a weight_format", () => {
    const tensors = layer("int8");
    tensors.set("int8.weight_format", torch.tensor(Uint8Array.of(0), [], "uint8"));
    const weights = openWeights(folderOf(folder(), tensors));
    expect(weights.names).toEqual(["int8.weight"]);
    expectSameBits(weights.readTensor("int8.weight"), packed.get("int8.values")!);
    weights.close();
  });
});

test("a changed scale of the file is refused while it is read", () => {
  const where = folderOf(folder(), layer("nf4"));
  const weights = openWeights(where);
  const path = join(where, "model.safetensors");
  writeFileSync(path, readFileSync(path));
  expect(() => weights.packed("nf4.weight")).toThrow("it was changed while being read");
  weights.close();
});

import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import { unreadQuantization } from "../../src/formats/bitsandbytes/writer.js";
import { openWeights } from "../../src/formats/checkpoint.js";
import * as torch from "../../src/torch/index.js";
import { folderOf, layer, packed, type Tensors } from "./bitsandbytesFiles.js";
import { temporaryFolders } from "./temporaryFolder.js";

const folder = temporaryFolders();

const json = (value: unknown) => {
  const bytes = Buffer.from(typeof value === "string" ? value : JSON.stringify(value));
  return torch.fromBytes(bytes, [bytes.length], "uint8");
};
const state = (tensors: Tensors, name: string) =>
  JSON.parse(Buffer.from(tensors.get(`${name}.weight.quant_state.bitsandbytes__nf4`)!.bytes()).toString());
const withState =
  (change: object, name = "nf4-double") =>
  (tensors: Tensors) =>
    tensors.set(`${name}.weight.quant_state.bitsandbytes__nf4`, json({ ...state(tensors, name), ...change }));
const without = (part: string) => (tensors: Tensors) => tensors.delete(part);
const cut = (part: string) => (tensors: Tensors) => {
  const whole = tensors.get(part)!;
  tensors.set(part, torch.contiguous(torch.narrow(whole, 0, 0, whole.shape[0]! - 1)));
};
const spoilt = (part: string, value: number) => (tensors: Tensors) => {
  const values = torch.clone(tensors.get(part)!);
  torch.fill_(torch.narrow(values, 0, 0, 1), value);
  tensors.set(part, values);
};

describe("refused, by the tensor's name", () => {
  const W = "nf4-double.weight";
  const Q = `${W}.quant_state.bitsandbytes__nf4`;

  test.each<[string, string, (tensors: Tensors) => unknown, RegExp]>([
    [
      "an unknown type in the name",
      "nf4-double",
      (t) => t.set(Q.replace("__nf4", "__nf5"), t.get(Q)!).delete(Q),
      /nf4-double\.weight in .* is packed as nf5 by its quant_state, expected nf4 or fp4\.$/,
    ],
    [
      "two types",
      "nf4-double",
      (t) => t.set(Q.replace("__nf4", "__fp4"), t.get(Q)!),
      /is packed as .* and .* by its quant_state/,
    ],
    [
      "another type in the description",
      "nf4-double",
      withState({ quant_type: "fp4" }),
      /has the quant_type "fp4" in its quant_state, but nf4 in the name of it/,
    ],
    ["no description", "nf4-double", without(Q), /is packed as an unknown type by its quant_state/],
    [
      "a description that is not JSON",
      "nf4-double",
      (t) => t.set(Q, json('{"nested_offset": NaN}')),
      /has a quant_state that is not a JSON object/,
    ],
    [
      "no shape",
      "nf4-double",
      withState({ shape: null }),
      /has the shape null in its quant_state, expected \[out, in\]/,
    ],
    ["a shape of three sizes", "nf4-double", withState({ shape: [70, 32, 10] }), /has the shape \[70,32,10\]/],
    ["an unknown dtype", "nf4-double", withState({ dtype: "float8" }), /has the dtype "float8" in its quant_state/],
    [
      "a block size that is no power of two",
      "nf4-double",
      withState({ blocksize: 96 }),
      /has the blocksize 96 in its quant_state, expected a power of two of at least 32/,
    ],
    ["a small block size", "nf4-double", withState({ blocksize: 16 }), /has the blocksize 16/],
    ["no block size", "nf4-double", withState({ blocksize: undefined }), /has the blocksize undefined/],
    [
      "a block size of scales that is no power of two",
      "nf4-double",
      withState({ nested_blocksize: 100 }),
      /has the nested_blocksize 100/,
    ],
    [
      "an offset that is not finite",
      "nf4-double",
      withState({ nested_offset: null }),
      /has the nested_offset null in its quant_state, expected a finite number/,
    ],
    ["an offset beyond float32", "nf4-double", withState({ nested_offset: 1e39 }), /has the nested_offset 1e\+39/],
    [
      "scales of scales of another dtype",
      "nf4-double",
      withState({ nested_dtype: "float16" }),
      /has the nested_dtype "float16"/,
    ],
    [
      "scales of scales that the description lacks",
      "nf4-double",
      withState({ nested_blocksize: undefined }),
      /absmax of dtype F32 and shape \[350\], got U8 and \[350\]/,
    ],
    [
      "scales of scales without a description",
      "nf4",
      (t) => t.set("nf4.weight.nested_absmax", torch.ones([1])),
      /has nested scales, but no nested_blocksize/,
    ],
    [
      "codes that are cut",
      "nf4-double",
      cut(W),
      /has 11199 bytes, but its shape \[70, 320\] needs 11200 of 4-bit codes/,
    ],
    [
      "a smaller shape with as many scales",
      "nf4-odd",
      withState({ shape: [5, 26] }, "nf4-odd"),
      /has 68 bytes, but its shape \[5, 26\] needs 65 of 4-bit codes/,
    ],
    [
      "a larger shape",
      "nf4-double",
      withState({ shape: [70, 322] }),
      /has 11200 bytes, but its shape \[70, 322\] needs 11270/,
    ],
    [
      "scales of a wrong length",
      "nf4-double",
      cut(`${W}.absmax`),
      /needs nf4-double\.weight\.absmax of dtype U8 and shape \[350\], got U8 and \[349\]/,
    ],
    [
      "a block size that asks for fewer scales",
      "nf4-double",
      withState({ blocksize: 128 }),
      /absmax of dtype U8 and shape \[175\]/,
    ],
    [
      "scales of scales of a wrong length",
      "nf4-double",
      cut(`${W}.nested_absmax`),
      /needs nf4-double\.weight\.nested_absmax of dtype F32 and shape \[2\], got F32 and \[1\]/,
    ],
    [
      "a table of scales of a wrong length",
      "nf4-double",
      cut(`${W}.nested_quant_map`),
      /nested_quant_map of dtype F32 and shape \[256\]/,
    ],
    [
      "a table of a wrong length",
      "nf4-double",
      cut(`${W}.quant_map`),
      /needs nf4-double\.weight\.quant_map of dtype F32 and shape \[16\]/,
    ],
    [
      "no table",
      "nf4-double",
      without(`${W}.quant_map`),
      /is packed by bitsandbytes, but nf4-double\.weight\.quant_map is missing/,
    ],
    ["no scales", "nf4-double", without(`${W}.absmax`), /nf4-double\.weight\.absmax is missing/],
    [
      "no scales of scales",
      "nf4-double",
      without(`${W}.nested_absmax`),
      /nf4-double\.weight\.nested_absmax is missing/,
    ],
    ["no codes", "nf4-double", without(W), /nf4-double\.weight in .* is missing, but not its scales/],
    [
      "another table",
      "nf4-double",
      spoilt(`${W}.quant_map`, -0.99),
      /has another table in nf4-double\.weight\.quant_map than bitsandbytes has for nf4/,
    ],
    [
      "fp4's table",
      "nf4",
      (t) => t.set("nf4.weight.quant_map", packed.get("fp4.weight.quant_map")!),
      /has another table in nf4\.weight\.quant_map/,
    ],
    [
      "a table with NaN",
      "nf4-double",
      spoilt(`${W}.quant_map`, Number.NaN),
      /has values in nf4-double\.weight\.quant_map that are not finite/,
    ],
    [
      "a scale that is NaN",
      "nf4",
      spoilt("nf4.weight.absmax", Number.NaN),
      /Tensor nf4\.weight in .* has values in nf4\.weight\.absmax that are not finite\.$/,
    ],
    [
      "a scale of scales that is infinite",
      "nf4-double",
      spoilt(`${W}.nested_absmax`, Number.POSITIVE_INFINITY),
      /has values in nf4-double\.weight\.nested_absmax that are not finite/,
    ],
    [
      "scales beyond float32",
      "nf4-double",
      (t) => {
        spoilt(`${W}.nested_absmax`, 3e38)(t);
        withState({ nested_offset: 3e38 })(t);
      },
      /has scales beyond float32, by its nested_absmax and nested_offset/,
    ],
    [
      "a table of scales with NaN",
      "nf4-double",
      spoilt(`${W}.nested_quant_map`, Number.NaN),
      /has values in nf4-double\.weight\.nested_quant_map/,
    ],
    [
      "an int8 scale that is NaN",
      "int8",
      spoilt("int8.SCB", Number.NaN),
      /has values in int8\.SCB that are not finite/,
    ],
    [
      "int8 scales of a wrong length",
      "int8",
      cut("int8.SCB"),
      /needs int8\.SCB of dtype F32 and shape \[20\], got F32 and \[19\]/,
    ],
    [
      "int8 without scales",
      "int8",
      (t) => t.set("int8.weight_format", torch.tensor(Uint8Array.of(0), [], "uint8")).delete("int8.SCB"),
      /is packed by bitsandbytes, but int8\.SCB is missing/,
    ],
    [
      "int8 scales of a float matrix",
      "int8",
      (t) => t.set("int8.weight", packed.get("int8.values")!),
      /must be I8 of shape \[out, in\], got F32 of shape \[20, 50\]/,
    ],
    [
      "an unknown weight_format",
      "int8",
      (t) => t.set("int8.weight_format", torch.tensor(Uint8Array.of(2), [], "uint8")),
      /has the weight_format 2, expected 0 \(rows\)/,
    ],
  ])("%s", (_, name, change, message) => {
    // biome-ignore format: a row for each case
    const tensors = layer(name);
    change(tensors);
    const read = () => {
      const weights = openWeights(folderOf(folder(), tensors));
      try {
        for (const own of weights.names) weights.readTensor(own);
      } finally {
        weights.close();
      }
    };
    expect(read).toThrow(message);
  });
});

describe("quantization_config", () => {
  const why = (settings: unknown) => unreadQuantization({ quantization_config: settings } as JsonObject);

  test.each<[string, unknown]>([
    ["none", null],
    ["4 bits of bitsandbytes", { quant_method: "bitsandbytes", load_in_4bit: true, bnb_4bit_quant_type: "fp4" }],
    ["8 bits of an older version", { load_in_8bit: true, llm_int8_has_fp16_weight: false }],
  ])("is read: %s", (_, settings) => {
    expect(why(settings)).toBeUndefined();
  });

  test.each<[string, unknown, string]>([
    ["a list", [], "quantization_config is [], expected an object"],
    ["GPTQ", { quant_method: "gptq", bits: 4 }, 'the quant_method "gptq" of quantization_config is not supported'],
    ["AWQ", { quant_method: "awq" }, 'the quant_method "awq"'],
    ["fp8", { quant_method: "fp8" }, 'the quant_method "fp8"'],
    ["no method", { bits: 4 }, "the quant_method undefined"],
    [
      "an unknown type",
      { quant_method: "bitsandbytes", load_in_4bit: true, bnb_4bit_quant_type: "nf3" },
      'the bnb_4bit_quant_type "nf3" of quantization_config is not supported; supported are nf4, fp4',
    ],
    [
      "8 bits beside weights in float16",
      { quant_method: "bitsandbytes", load_in_8bit: true, llm_int8_has_fp16_weight: true },
      "llm_int8_has_fp16_weight of quantization_config is not supported",
    ],
  ])("is refused: %s", (_, settings, message) => {
    expect(why(settings)).toContain(message);
  });
});

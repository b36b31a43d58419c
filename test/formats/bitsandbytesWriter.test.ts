import { join } from "node:path";
import { expect, test } from "vitest";
import { readJsonObject } from "../../src/base/records/json.js";
import { type BitsandbytesFormat, packedEntries, quantizationConfig } from "../../src/formats/bitsandbytes/writer.js";
import { openWeights } from "../../src/formats/checkpoint.js";
import { writeSafetensors } from "../../src/formats/safetensors/safetensors.js";
import * as torch from "../../src/torch/index.js";
import { GOLDEN } from "../support/golden.js";
import { layer, packed, stored } from "./bitsandbytesFiles.js";
import { temporaryFolders } from "./temporaryFolder.js";

const folder = temporaryFolders();
const golden = join(GOLDEN, "io/bitsandbytes");

test.each([
  ["nf4", "nf4"],
  ["nf4-odd", "nf4"],
  ["fp4", "fp4"],
  ["int8", "int8"],
] as const)("%s: the tensors are bitsandbytes'", (name, format: BitsandbytesFormat) => {
  const given = packed.get(`${name}.given`)!;
  const where = folder();
  const counted: torch.Tensor[][] = [];
  const entries = packedEntries(
    {
      name: `${name}.weight`,
      shape: given.shape as [number, number],
      dtype: "float32",
      values: () => given,
      onPacked: (...pair) => counted.push(pair.map((tensor) => torch.clone(tensor)).map(torch.keep)),
    },
    format,
  );
  writeSafetensors(join(where, "model.safetensors"), entries);
  const found = stored(join(where, "model.safetensors"));
  const wanted = layer(name);
  const own = format === "int8" ? [`${name}.weight_format`] : [];
  expect(new Set(found.keys())).toEqual(new Set([...wanted.keys(), ...own]));
  for (const [key, tensor] of wanted) {
    const written = found.get(key)!;
    expect([written.dtype, written.shape], key).toEqual([tensor.dtype, tensor.shape]);
    expect([...written.bytes()], key).toEqual([...tensor.bytes()]);
  }
  if (format === "int8") expect([...found.get(own[0]!)!.bytes()]).toEqual([0]);
  expect(counted.length).toBe(1);
  expect(torch.equal(counted[0]![0]!, given)).toBe(true);
  expect(torch.equal(counted[0]![1]!, packed.get(`${name}.values`)!)).toBe(true);
  const weights = openWeights(where);
  expect(torch.equal(weights.readTensor(`${name}.weight`), packed.get(`${name}.values`)!)).toBe(true);
  weights.close();
});

test.each([
  ["bert-int8", "int8", ["classifier"]],
  ["bert-nf4", "nf4", ["classifier"]],
  ["gpt2-nf4", "nf4", null],
] as const)("the settings are transformers' of %s", (name, format, skipped) => {
  const { quantization_config: theirs } = readJsonObject(join(golden, name, "config.json"));
  const isDouble = name === "bert-nf4";
  const own = { ...quantizationConfig(format, "float32", skipped ?? []), bnb_4bit_use_double_quant: isDouble };
  expect(skipped === null ? { ...own, llm_int8_skip_modules: null } : own).toEqual(theirs);
});

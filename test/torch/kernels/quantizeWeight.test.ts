// Bytes of packed matrices: those of bitsandbytes (nf4, fp4, int8) and gguf-py (q8_0, q4_0).

import { join } from "node:path";
import { afterAll, expect, test } from "vitest";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import * as torch from "../../../src/torch/index.js";
import { GOLDEN } from "../../support/golden.js";

const golden = openSafetensors(join(GOLDEN, "io/bitsandbytes/quantized.safetensors"));
afterAll(() => golden.close());

const CASES = golden.names.filter((name) => name.endsWith(".given")).map((name) => name.slice(0, -".given".length));

test.each(CASES)("%s", (name) => {
  torch.scope(() => {
    const [format] = name.split("/") as [string];
    const found = torch.quantizeWeight(golden.readTensor(`${name}.given`), format, format.endsWith("f4") || format === "fp4" ? 64 : 0); // biome-ignore format: one line
    expect(found.length).toBe(format.startsWith("q") ? 1 : 2);
    for (const [i, part] of found.entries()) {
      const wanted = golden.readTensor(`${name}.${i}`);
      expect([part.dtype, part.shape]).toEqual([wanted.dtype, wanted.shape]);
      expect([...part.bytes()], `part ${i}`).toEqual([...wanted.bytes()]);
    }
  });
});

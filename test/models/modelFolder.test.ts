import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { expect, test } from "vitest";
import { CONFIG_FILE, WEIGHTS_FILE } from "../../src/base/huggingFaceFiles.js";
import { saveSafetensors } from "../../src/formats/safetensors/safetensors.js";
import { storedDtype } from "../../src/models/loading/modelFolder.js";
import * as torch from "../../src/torch/index.js";

const CASES: readonly (readonly [stored: readonly torch.DType[], written: torch.DType])[] = [
  [["float32"], "float32"],
  [["bfloat16"], "bfloat16"],
  [["float16", "float16"], "float16"],
  [["bfloat16", "float32"], "float32"],
  [["float32", "float64"], "float64"],
  [["float16", "bfloat16"], "float32"],
  [["float16", "bfloat16", "float64"], "float64"],
  [["int64", "bfloat16"], "bfloat16"],
];

test.each(CASES)("of weights in %j all values are held by %s", (stored, written) => {
  const folder = mkdtempSync(join(tmpdir(), "bidora-"));
  try {
    writeFileSync(join(folder, CONFIG_FILE), "{}");
    const tensors = stored.map((dtype, i) => [`t${i}`, torch.zeros([1], { dtype })] as const);
    saveSafetensors(join(folder, WEIGHTS_FILE), tensors);
    expect(storedDtype(folder)).toBe(written);
  } finally {
    rmSync(folder, { recursive: true });
  }
});

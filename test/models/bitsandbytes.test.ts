// Models from folders of bitsandbytes, held in other ways than the file's.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { openWeights, readConfig } from "../../src/formats/checkpoint.js";
import { type LoadModelOptions, loadModel } from "../../src/models/index.js";
import { storedDtype } from "../../src/models/loading/modelFolder.js";
import { PackedWeight } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { temporaryFolders } from "../formats/temporaryFolder.js";
import { GOLDEN } from "../support/golden.js";
import { expectSameBits } from "../torch/sameBits.js";
import { ownHead } from "./ownHead.js";

const folder = temporaryFolders();
const golden = (name: string) => join(GOLDEN, `io/bitsandbytes/${name}`);

async function values(source: string, options: Partial<LoadModelOptions> = {}) {
  const own = { ...ownHead(readConfig(source)), dtype: "float32" as const, generator: new torch.Generator(0) };
  const { model } = await loadModel(source, { ...own, ...options });
  return new Map(Array.from(model.namedParameters(), ([path, parameter]) => [path, parameter.values] as const));
}

/** The decoded values of a folder, by the names in it. */
function decoded(source: string): Map<string, torch.Tensor> {
  const weights = openWeights(source);
  const packed = weights.names.filter((name) => weights.packed(name));
  const found = new Map(packed.map((name) => [name, weights.readTensor(name)]));
  weights.close();
  return found;
}

const FOLDERS = ["llama-nf4", "llama-int8", "bert-nf4", "gpt2-nf4", "gpt2-int8"];

test.each(FOLDERS)(
  "%s: matrices are [out, in] in every file, and values are decoded to the run's dtype",
  async (name) => {
    for (const dtype of ["float32", "bfloat16"] as const) {
      const held = await values(golden(name), { dtype });
      const wanted = decoded(golden(name));
      expect(wanted.size).toBeGreaterThan(3);
      for (const [path, matrix] of wanted) {
        expect(held.get(path), path).toBeInstanceOf(PackedWeight);
        // The head computes in float32.
        const own = path.includes("pooler") ? "float32" : dtype;
        expectSameBits(held.get(path)!.dense(), torch.castTo(matrix, own), path);
      }
    }
  },
);

test.each(FOLDERS)("%s: baseDtype bfloat16 and master weights are the decoded values", async (name) => {
  const [rounded, master] = [
    await values(golden(name), { baseDtype: "bfloat16" }),
    await values(golden(name), { masterDtype: "float32", dtype: "bfloat16" }),
  ];
  for (const [path, matrix] of decoded(golden(name))) {
    expectSameBits(rounded.get(path)!.tensor, torch.castTo(matrix, "bfloat16"), path);
    expectSameBits(master.get(path)!.tensor, matrix, path);
  }
});

test.each(["llama-nf4", "gpt2-nf4"])("%s: baseDtype int8 packs the decoded values again", async (name) => {
  const held = await values(golden(name), { baseDtype: "int8" });
  for (const [path, matrix] of decoded(golden(name))) {
    const [codes, largest] = torch.quantizeWeight(matrix, "int8") as [torch.Tensor, torch.Tensor];
    const { format, parts } = held.get(path) as PackedWeight;
    expect(format.name).toBe("int8");
    expectSameBits(parts[0]!, codes, path);
    expectSameBits(parts[1]!, torch.mulScalar(largest, 1 / 127), path);
  }
});

test("a packed head is decoded to float32", async () => {
  const { dtype, isDense } = (await values(golden("bert-head"))).get("classifier.weight")!;
  expect([dtype, isDense]).toEqual(["float32", true]);
  expectSameBits(
    (await values(golden("bert-head"))).get("classifier.weight")!.tensor,
    decoded(golden("bert-head")).get("classifier.weight")!,
  );
});

test("a folder's dtype is that of what is not packed", () => {
  expect(["llama-bfloat16", "llama-int8"].map((name) => storedDtype(golden(name)))).toEqual(["bfloat16", "float32"]);
});

test("a matrix of another shape than config.json's is refused by name", async () => {
  const source = join(folder(), "model");
  cpSync(golden("llama-nf4"), source, { recursive: true });
  const path = join(source, "config.json");
  const text = readFileSync(path, "utf8").replace('"intermediate_size": 96', '"intermediate_size": 80');
  writeFileSync(path, text);
  await expect(values(source)).rejects.toThrow(
    `Tensor model.layers.0.mlp.gate_proj.weight in ${source} has shape [96, 64], but config.json requires [80, 64].`,
  );
});

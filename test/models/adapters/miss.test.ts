import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import {
  ADAPTER_METHODS,
  inject,
  mergedWeight,
  readAdapter,
  savedTensors,
  toLora,
  writeAdapter,
} from "../../../src/models/adapters/index.js";
import { lowRankUpdates } from "../../../src/models/adapters/toLora.js";
import * as torch from "../../../src/torch/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { expectClose, readJson } from "../../parity/goldenFiles.js";
import { openModel } from "../../parity/support/adapted.js";
import { perturb, SmallModel } from "./smallModel.js";

const newFolder = temporaryFolders();
const ORIGIN = { taskType: "SEQ_CLS", baseModel: "some/base", revision: undefined, metadata: undefined };
const configOf = (options: Parameters<typeof ADAPTER_METHODS.miss.config>[0]) =>
  ADAPTER_METHODS.miss.config({ targetModules: ["query", "value"], ...options });

function open(options: Parameters<typeof configOf>[0]) {
  const model = new SmallModel();
  const adapted = inject(model, configOf(options), { generator: new torch.Generator(3), dtype: "float64" });
  perturb(adapted.trained.map(({ tensor }) => tensor));
  return { model, adapted };
}

/** W' − W0, element by element: input j belongs to row j mod r of D, output o to column o mod its number of columns. */
function expectedChange(block: torch.Tensor, out: number, inputs: number): torch.Tensor {
  const [rank, columns] = block.shape as [number, number];
  const values = block.toArray();
  const at = (o: number, j: number) => values[(j % rank) * columns + (o % columns)]!;
  const rows = Array.from({ length: out }, (_, o) => Array.from({ length: inputs }, (_, j) => at(o, j)));
  return torch.reshape(torch.tensor(Float64Array.from(rows.flat())), [out, inputs]);
}

describe.each([
  ["sums of two or one inputs", { rank: 4 }],
  ["a sum for each input of the smaller layer", { rank: 5 }],
  ["one sum", { rank: 1 }],
] as const)("%s", (_, options) => {
  test("change the weight by D, repeated along the inputs", () => {
    for (const { layer, adapter, ...module } of open(options).adapted.modules) {
      const change = torch.sub(mergedWeight({ layer, adapter }, "float64"), layer.weight.tensor);
      const block = adapter.ownParameters.get("miss_block")!.tensor;
      expect(block.shape).toEqual([options.rank, module.out]);
      expectClose(change, expectedChange(block, module.out, module.in), 1e-12);
    }
  });
});

test("fewer columns are repeated for the outputs", () => {
  const { adapted } = open({ rank: 4, missMiniRank: 3, targetModules: ["value"] });
  for (const { layer, adapter, ...module } of adapted.modules) {
    const block = adapter.ownParameters.get("miss_block")!.tensor;
    expect(block.shape).toEqual([4, 3]);
    const change = torch.sub(mergedWeight({ layer, adapter }, "float64"), layer.weight.tensor);
    expectClose(change, expectedChange(block, module.out, module.in), 1e-12);
  }
});

test("as a LoRA it is exact, without an SVD, unless a lower rank is asked for", () => {
  const { adapted } = open({ rank: 4 });
  const { updates, relativeError } = lowRankUpdates(adapted);
  expect([relativeError, updates.map(({ rank, scale }) => [rank, scale])]).toEqual([0, new Array(4).fill([4, 1])]);
  const lora = toLora(adapted);
  expect([lora.relativeError, lora.config.rank, lora.config.alpha]).toEqual([0, 4, 4]);
  for (const { path, layer, adapter } of adapted.modules) {
    const [a, b] = ["A", "B"].map((name) => lora.tensors.get(`${path}.lora_${name}.weight`)!);
    const change = torch.sub(mergedWeight({ layer, adapter }, "float64"), layer.weight.tensor);
    expectClose(torch.castTo(torch.mm(b!, a!), "float64"), change, 1e-6);
  }
  expect(toLora(adapted, 2).relativeError).toBeGreaterThan(0.01);
  expect(toLora(adapted, 2).config.rank).toBe(2);
});

describe("is refused", () => {
  const inject_ = (model: Parameters<typeof inject>[0], options: Parameters<typeof configOf>[0]) =>
    inject(model, configOf(options), { generator: new torch.Generator(1) });

  test("with more sums than inputs, as in PEFT", () => {
    expect(() => inject_(new SmallModel(), { rank: 6 })).toThrow(
      "MiSS sums the inputs of a layer into as many as its rank, 6, and encoder.layer.0.value has 5: choose a smaller rank, or exclude it.",
    );
  });

  test("with columns that do not divide the outputs", () => {
    expect(() => inject_(new SmallModel(), { rank: 2, missMiniRank: 3 })).toThrow(
      "The outputs of encoder.layer.0.query, 5, are not a multiple of MiSS's mini rank, 3",
    );
  });

  test("for embeddings and for layers that PEFT has it not for", async () => {
    expect(() => inject_(new SmallModel(), { targetModules: ["words"] })).toThrow(/exclude the embedding words\.$/);
    const gpt2 = await openModel("gpt2", "single");
    expect(() => inject_(gpt2, { rank: 2, targetModules: ["c_attn"] })).toThrow(
      "MiSS goes to nn.Linear layers only, as in PEFT, and transformer.h.0.attn.c_attn is a Conv1D: exclude it, or use lora or dora.",
    );
    gpt2.dispose();
  });

  test("as a file of the form that multiplies weights, or with layers of a pattern", async () => {
    const { adapted } = open({ rank: 4 });
    const folder = newFolder();
    writeAdapter(folder, { config: adapted.config, tensors: savedTensors(adapted), ...ORIGIN });
    const path = join(folder, "adapter_config.json");
    const own = readJson<object>(path);
    writeFileSync(path, JSON.stringify({ ...own, init_weights: "bat" }));
    await expect(readAdapter(folder)).rejects.toThrow(/init_weights is "bat", .*merge_and_unload/);
    writeFileSync(path, JSON.stringify({ ...own, target_modules: ".*query", layers_to_transform: [0] }));
    await expect(readAdapter(folder)).rejects.toThrow(/with a list of target_modules only/);
    writeFileSync(path, JSON.stringify({ ...own, init_weights: false, mini_r: 2 }));
    expect((await readAdapter(folder)).config).toMatchObject({ method: "miss", missMiniRank: undefined });
  });
});

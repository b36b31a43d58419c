// Exported rerankers in llama.cpp.
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import { loraConfig } from "../../../../src/models/adapters/index.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { askLlamaCpp, hasLlamaCpp } from "./llamaCpp.js";
import { bert, camembert, modernBert, PAIRS, ROWS, roberta, xlmRoberta } from "./rerankers.js";
import { tinyAdapter } from "./tinyModels.js";

const newFolder = temporaryFolders();
const newModel = () => join(newFolder(), "model");

interface Exported {
  readonly model: string;
  readonly adapter?: string;
  readonly outtype?: "f32" | "f16" | "bf16" | "q8_0";
}

/** llama.cpp computes GELU by its tanh formula, rounded to float16. */
const GELU_BOUND = 3e-3;

/** The worst difference of llama.cpp's outputs from bidora's in float32, as a share of the largest, after a comparison of their tokens. */
async function differences(cases: readonly Exported[]): Promise<number[]> {
  const outputs = cases.map(() => join(newFolder(), "out", "model.gguf"));
  for (const [i, one] of cases.entries()) await exportModel({ outtype: "f32", ...one, to: "gguf", output: outputs[i] });
  const answers = askLlamaCpp(...outputs.map((model) => ({ model, pairs: PAIRS, rows: [], texts: [], newTokens: 0 })));
  const worst: number[] = [];
  for (const [i, { model, adapter }] of cases.entries()) {
    const tokens = await (await loadTokenizer(model)).encodeBatch(PAIRS);
    const { rows, outputs: found, scores } = answers[i]!;
    expect(rows, model).toEqual(tokens.map(({ inputIds }) => [...inputIds]));
    await using opened = await load({ model, ...(adapter !== undefined && { adapter }), dtype: "float32" });
    const own = (await opened.predict(ROWS)).map(({ score }) => score as number);
    expect(new Set(own).size, model).toBe(PAIRS.length);
    const largest = Math.max(...own.map(Math.abs));
    worst.push(Math.max(...own.map((score, row) => Math.abs(score - found[row]!))) / largest);
    if (rows[0]!.filter((id) => id === rows[0]!.at(-1)).length < 3) continue;
    for (const [row, score] of scores.entries()) expect(score, model).toBeCloseTo(1 / (1 + Math.exp(-found[row]!)), 6);
  }
  return worst;
}

const IDENTITY = { activation: "identity" } as const;

const MODELS: readonly (readonly [name: string, model: () => string])[] = [
  ["XLM-RoBERTa with a Unigram tokenizer", () => xlmRoberta(newModel(), IDENTITY)],
  ["CamemBERT", () => camembert(newModel(), IDENTITY)],
  ["RoBERTa", () => roberta(newModel(), IDENTITY)],
  ["BERT whose token types are alike", () => bert(newModel(), IDENTITY)],
  ["ModernBERT, longer than its window", () => modernBert(newModel(), IDENTITY)],
];

describe.runIf(hasLlamaCpp())("llama.cpp", () => {
  test("ranks pairs, and tokenizes them, as bidora does", async () => {
    const worst = await differences(MODELS.map(([, model]) => ({ model: model() })));
    for (const [i, [name]] of MODELS.entries()) expect(worst[i], name).toBeLessThan(GELU_BOUND);
  });

  test("ranks pairs with a merged adapter and its trained head", async () => {
    const base = xlmRoberta(newModel(), IDENTITY);
    const config = loraConfig({
      rank: 3,
      alpha: 5,
      targetModules: ["query", "output.dense"],
      modulesToSave: ["classifier"],
    });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), base, config, { task: "reranking" });
    const [merged] = await differences([{ model: base, adapter }]);
    expect(merged).toBeLessThan(GELU_BOUND);
  });

  test("ranks pairs with matrices of each data type", async () => {
    const model = xlmRoberta(newModel(), IDENTITY, { hidden_size: 96, intermediate_size: 128 });
    const types = ["f16", "bf16", "q8_0"] as const;
    const [half, brain, blocks] = await differences(types.map((outtype) => ({ model, outtype })));
    expect(half).toBeLessThan(GELU_BOUND);
    expect(brain).toBeLessThan(2e-2);
    expect(blocks).toBeLessThan(4e-2);
  });
});

import { join } from "node:path";
import { describe, expect, test } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import type { JsonObject } from "../../../../src/base/records/json.js";
import { type AdapterConfig, doraConfig, loraConfig } from "../../../../src/models/adapters/index.js";
import { type ModelInput, modelInput } from "../../../../src/models/index.js";
import { EVALUATION } from "../../../../src/models/nn/index.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import * as torch from "../../../../src/torch/index.js";
import { open } from "../../../../src/use/inference/open.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { tokenRows } from "../../../parity/goldenFiles.js";
import { askLlamaCpp, hasLlamaCpp, type LlamaCppAnswer } from "./llamaCpp.js";
import { type TokenizerName, tinyAdapter, tinyModel } from "./tinyModels.js";

const newFolder = temporaryFolders();
const NEW_TOKENS = 12;

type OpenedModel = Awaited<ReturnType<typeof open>>["model"];

const inputOf = (row: readonly number[]): ModelInput => modelInput(tokenRows([row.length], [...row]));

/** Of each token of a row, how likely every token is to follow. */
const distributions = (model: OpenedModel, row: readonly number[]): number[][] =>
  torch.noGrad(() =>
    torch.scope(() => {
      const all = torch.softmax(model.forward(inputOf(row), EVALUATION), -1);
      return row.map((_, i) => torch.select(all, 0, i).toArray() as number[]);
    }),
  );

function greedy(model: OpenedModel, row: readonly number[]): number[] {
  const tokens = [...row];
  for (let i = 0; i < NEW_TOKENS; i++) {
    const last = distributions(model, tokens).at(-1)!;
    tokens.push(last.indexOf(Math.max(...last)));
  }
  return tokens.slice(row.length);
}

/** Two rows of tokens, of unlike length. */
const ROWS = [17, 5].map((length) => Array.from({ length }, (_, i) => 3 + (((i + length) * 7919) % 97)));

/** In logarithms of probabilities. */
const BOUND = 1e-4;

const worstOf = (own: readonly number[], found: readonly number[]): number =>
  Math.max(...own.map((p, i) => Math.abs(Math.log(p / found[i]!))));

/** Compares llama.cpp's answers with the model's own in float32. */
async function compare(
  answer: LlamaCppAnswer,
  name: string,
  parts: { readonly model: string; readonly adapter?: string },
  bound = BOUND,
): Promise<void> {
  const { model } = await open({ ...parts }, { dtype: "float32" });
  for (const [i, row] of ROWS.entries()) {
    const [own, found] = [distributions(model, row).flat(), answer.probabilities[i]!.flat()];
    expect(found.length, name).toBe(own.length);
    expect(worstOf(own, found), name).toBeLessThan(bound);
    expect(answer.tokens[i], name).toEqual(greedy(model, row));
  }
}

const LLAMA = { model_type: "llama", architectures: ["LlamaForCausalLM"], tie_word_embeddings: false };
const QWEN3 = { model_type: "qwen3", architectures: ["Qwen3ForCausalLM"], tie_word_embeddings: true };
const QWEN2 = { ...QWEN3, model_type: "qwen2", architectures: ["Qwen2ForCausalLM"], hidden_size: 36 };
const MISTRAL = { ...LLAMA, model_type: "mistral", architectures: ["MistralForCausalLM"], sliding_window: 33 };
const GEMMA = {
  model_type: "gemma3_text",
  architectures: ["Gemma3ForCausalLM"],
  num_hidden_layers: 7,
  sliding_window: 6,
  query_pre_attn_scalar: 6,
  hidden_activation: "gelu_pytorch_tanh",
};
const rope = (settings: JsonObject): JsonObject => ({ rope_parameters: { rope_theta: 5000, ...settings } });

const LLAMA3_ROPE = rope({
  rope_type: "llama3",
  factor: 4,
  low_freq_factor: 1,
  high_freq_factor: 4,
  original_max_position_embeddings: 32,
});

/** GELU is looked up in float16 by llama.cpp. */
const GELU_BOUND = 2e-2;

interface ModelCase {
  readonly name: string;
  readonly tokenizer: TokenizerName;
  readonly config: JsonObject;
  readonly bound?: number;
}
const MODELS: readonly ModelCase[] = [
  { name: "llama", tokenizer: "smollm", config: LLAMA },
  { name: "llama, tied", tokenizer: "pieces", config: { ...LLAMA, tie_word_embeddings: true, num_key_value_heads: 6 } },
  {
    name: "llama with biases",
    tokenizer: "llama3",
    config: { ...LLAMA, attention_bias: true, mlp_bias: true, head_dim: 10 },
  },
  { name: "llama with Llama 3's positions", tokenizer: "llama3", config: { ...LLAMA, ...LLAMA3_ROPE } },
  {
    name: "llama with positions in line",
    tokenizer: "smollm",
    config: { ...LLAMA, ...rope({ rope_type: "linear", factor: 3 }) },
  },
  { name: "mistral", tokenizer: "pieces", config: MISTRAL },
  { name: "qwen2", tokenizer: "qwen2", config: QWEN2 },
  {
    name: "qwen2 with YaRN",
    tokenizer: "qwen2",
    config: { ...QWEN2, ...rope({ rope_type: "yarn", factor: 4, original_max_position_embeddings: 16 }) },
  },
  { name: "qwen3", tokenizer: "qwen3", config: QWEN3 },
  { name: "gemma3", tokenizer: "gemma3", config: GEMMA, bound: GELU_BOUND },
];

const TEXTS = ["the man  and the sea", "Hello, world\n\n12 + 345! ", "żółw 漢字 🙂"];
const QUESTION = { rows: ROWS, newTokens: NEW_TOKENS, texts: TEXTS };
const all = ["q_proj", "k_proj", "v_proj", "o_proj", "gate_proj", "up_proj", "down_proj"];
const tables = ["q_proj", "embed_tokens", "lm_head"];

interface AdapterCase {
  readonly name: string;
  readonly base: JsonObject;
  readonly config: AdapterConfig;
  /** Of the LoRA that it becomes. */
  readonly rank?: number;
}
const patterns = { rankPattern: { q_proj: 2, down_proj: 7 }, alphaPattern: { k_proj: 3 } };
const ADAPTERS: readonly AdapterCase[] = [
  { name: "LoRA on llama", base: LLAMA, config: loraConfig({ rank: 3, alpha: 5, targetModules: all }) },
  { name: "LoRA on qwen3", base: QWEN3, config: loraConfig({ rank: 3, alpha: 5, targetModules: all }) },
  {
    name: "rsLoRA with patterns on llama",
    base: LLAMA,
    config: loraConfig({ rank: 4, alpha: 6, rslora: true, ...patterns, targetModules: all }),
  },
  {
    name: "LoRA that is switched off in the first module",
    base: LLAMA,
    config: loraConfig({ rank: 3, alpha: 0, alphaPattern: { o_proj: 4 }, targetModules: ["v_proj", "o_proj"] }),
  },
  { name: "LoRA in tables", base: LLAMA, config: loraConfig({ rank: 3, alpha: 5, targetModules: tables }) },
  { name: "DoRA at full rank", base: LLAMA, config: doraConfig({ rank: 2, alpha: 4, targetModules: all }), rank: 52 },
];

describe.runIf(hasLlamaCpp())("llama.cpp", () => {
  test("computes the logits of models, and tokenizes as their tokenizers do", async () => {
    const folder = newFolder();
    const models = MODELS.map(({ tokenizer, config }, i) => tinyModel(join(folder, `${i}`), tokenizer, config));
    const outputs = models.map((model) => join(model, "gguf", "model.gguf"));
    for (const [i, model] of models.entries())
      await exportModel({ model, to: "gguf", outtype: "f32", output: outputs[i] });
    const answers = askLlamaCpp(...outputs.map((model) => ({ model, ...QUESTION })));
    for (const [i, { name, bound = BOUND }] of MODELS.entries()) {
      await compare(answers[i]!, name, { model: models[i]! }, bound);
      const tokenizer = await loadTokenizer(models[i]!);
      expect(answers[i]!.words, name).toEqual((await tokenizer.tokensOf(TEXTS)).map(({ ids }) => ids));
      expect(answers[i]!.about, name).toMatchObject({
        trainContextSize: name === "mistral" ? 33 : 64,
        bos: tokenizer.specialTokenId("bos_token") ?? expect.anything(),
        eos: tokenizer.eosTokenId,
        addsBos: (await tokenizer.prefixIds()).length > 0,
      });
    }
  });

  test("computes the logits of adapters, on their base and merged", async () => {
    const questions: { readonly model: string; readonly adapter?: string }[] = [];
    const comparisons: { readonly name: string; readonly model: string; readonly adapter: string }[] = [];
    for (const { name, base: config, config: adapterConfig, rank } of ADAPTERS) {
      const folder = newFolder();
      const model = tinyModel(join(folder, "model"), "smollm", config);
      const adapter = await tinyAdapter(join(folder, "adapter"), model, adapterConfig);
      const [base, merged, lora] = ["base", "merged", "lora"].map((part) => join(folder, part, "model.gguf"));
      await exportModel({ model, to: "gguf", outtype: "f32", output: base });
      await exportModel({ model, adapter, to: "gguf", outtype: "f32", output: merged });
      const { relativeError } = await exportModel({ adapter, to: "gguf-lora", output: lora, rank });
      if (rank === undefined) expect(relativeError).toBe(0);
      else expect(relativeError).toBeLessThan(1e-6);
      questions.push({ model: merged! }, { model: base!, adapter: lora! });
      comparisons.push({ name: `${name}, merged`, model, adapter }, { name: `${name}, on its base`, model, adapter });
    }
    const answers = askLlamaCpp(...questions.map((question) => ({ ...question, ...QUESTION })));
    for (const [i, { name, ...parts }] of comparisons.entries()) await compare(answers[i]!, name, parts);
  });

  test("computes an adapter of a tied embedding as bidora does", async () => {
    const folder = newFolder();
    const model = tinyModel(join(folder, "model"), "qwen3", QWEN3);
    for (const [i, target] of ["embed_tokens", "lm_head"].entries()) {
      const config = loraConfig({ rank: 3, alpha: 5, targetModules: [target] });
      const adapter = await tinyAdapter(join(folder, target), model, config);
      const output = join(folder, `${i}`, "model.gguf");
      await exportModel({ model, adapter, to: "gguf", outtype: "f32", output });
      const [answer] = askLlamaCpp({ model: output, ...QUESTION });
      await compare(answer!, target, { model, adapter });
      await expect(exportModel({ adapter, to: "gguf-lora", output: join(folder, "lora.gguf") })).rejects.toThrow(
        new RegExp(`the adapter changes .*${target}.weight, which ties the model's embeddings and output matrix`),
      );
    }
  });

  test.each([
    ["f16", 2e-2],
    ["bf16", 0.2],
    ["q8_0", 0.5],
  ] as const)("loads matrices in %s", async (outtype, bound) => {
    const folder = newFolder();
    const config = { ...LLAMA, hidden_size: 64, intermediate_size: 96, head_dim: 16 };
    const model = tinyModel(join(folder, "model"), "smollm", config);
    const output = join(folder, "out", "model.gguf");
    await exportModel({ model, to: "gguf", outtype, output });
    const [answer] = askLlamaCpp({ model: output, ...QUESTION });
    const opened = await open({ model: output }, { dtype: "float32" });
    const own = distributions(opened.model, ROWS[0]!).flat();
    expect(worstOf(own, answer!.probabilities[0]!.flat())).toBeLessThan(bound);
  });
});

import { expect, test } from "vitest";
import type { JsonObject } from "../../src/base/records/json.js";
import type { DecoderConfig } from "../../src/models/decoderConfig.js";
import { architectureOf, type LoadedModel, loadModel, modelInput } from "../../src/models/index.js";
import { EVALUATION } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";
import { twiceDifferentiable } from "../../src/torch/operators/choose.js";
import { expectClose, tokenRows } from "../parity/goldenFiles.js";
import { changedCheckpoint } from "./checkpoints.js";
import { headFor } from "./ownHead.js";

const DECODERS = ["llama", "mistral", "qwen2", "qwen3", "phi3", "gemma3_text", "smollm3"] as const;

const parse = (config: JsonObject) => architectureOf(config).parseConfig(config) as DecoderConfig;

function load(family: string, config: JsonObject = {}, dtype: torch.DType = "float32"): Promise<LoadedModel> {
  const checkpoint = changedCheckpoint(`${family}/lm`, { config });
  return loadModel(checkpoint, { ...headFor("causal-lm", 0), dtype, generator: new torch.Generator(1) });
}

test("missing settings have transformers' defaults", () => {
  const plain = { layers: 32, hiddenSize: 4096, heads: 32, headSize: 128, normEpsilon: 1e-6, activation: "silu" };
  const alike = { attentionDropout: 0, residualDropout: 0, initializerRange: 0.02, padTokenId: undefined };
  const full = { ...plain, ...alike, tiesEmbeddings: false, slidingWindow: undefined };
  const qwen = { vocabSize: 151936, intermediateSize: 22016, maxTokens: 32768, kvHeads: 32 };
  expect(parse({ model_type: "llama" })).toMatchObject({
    ...full,
    vocabSize: 32000,
    intermediateSize: 11008,
    maxTokens: 2048,
    kvHeads: 32,
    layerTypes: new Array(32).fill("full_attention"),
  });
  expect(parse({ model_type: "mistral" })).toMatchObject({
    ...full,
    vocabSize: 32000,
    intermediateSize: 14336,
    maxTokens: 131072,
    kvHeads: 8,
    slidingWindow: 4096,
    layerTypes: new Array(32).fill("sliding_attention"),
  });
  expect(parse({ model_type: "qwen2" })).toMatchObject({ ...full, ...qwen, queryBias: true, outputBias: false });
  expect(parse({ model_type: "qwen3" })).toMatchObject({ ...full, ...qwen, queryBias: false, normsHeads: true });
  expect(parse({ model_type: "phi3" })).toMatchObject({
    ...full,
    vocabSize: 32064,
    hiddenSize: 3072,
    intermediateSize: 8192,
    headSize: 96,
    maxTokens: 4096,
    kvHeads: 32,
    normEpsilon: 1e-5,
    padTokenId: 32000,
    fusesProjections: true,
  });
  expect(parse({ model_type: "gemma3_text" })).toMatchObject({
    ...alike,
    vocabSize: 262208,
    hiddenSize: 2304,
    intermediateSize: 9216,
    layers: 26,
    heads: 8,
    kvHeads: 4,
    headSize: 256,
    maxTokens: 131072,
    normEpsilon: 1e-6,
    activation: "gelu_pytorch_tanh",
    padTokenId: 0,
    slidingWindow: 4096,
    tiesEmbeddings: true,
    attentionScale: 1 / 16,
    embeddingScale: 48,
  });
  const smollm3 = parse({ model_type: "smollm3" });
  expect(smollm3).toMatchObject({
    ...alike,
    vocabSize: 128256,
    hiddenSize: 2048,
    intermediateSize: 11008,
    layers: 36,
    heads: 16,
    kvHeads: 4,
    headSize: 128,
    maxTokens: 32768,
    normEpsilon: 1e-6,
    activation: "silu",
    padTokenId: 128004,
    slidingWindow: undefined,
    tiesEmbeddings: true,
    layerTypes: new Array(36).fill("full_attention"),
  });
  expect(smollm3.ropes.full_attention.theta).toBe(2e6);
});

test("null differs from a missing key", () => {
  const sizes = { num_attention_heads: 16 };
  expect(parse({ model_type: "mistral", ...sizes, num_key_value_heads: null }).kvHeads).toBe(16);
  expect(parse({ model_type: "mistral", ...sizes, sliding_window: null }).layerTypes[0]).toBe("full_attention");
  expect(parse({ model_type: "gemma3_text", pad_token_id: null }).padTokenId).toBeUndefined();
  const windowed = { use_sliding_window: true, max_window_layers: 0 };
  expect(parse({ model_type: "qwen2", ...windowed, sliding_window: null }).layerTypes[0]).toBe("full_attention");
});

test("which layers have a sliding window", () => {
  const typesOf = (config: JsonObject) =>
    parse(config)
      .layerTypes.map((type) => type[0])
      .join("");
  const qwen = { model_type: "qwen3", num_hidden_layers: 4, max_window_layers: 1 };
  expect(typesOf({ ...qwen, use_sliding_window: true })).toBe("fsss");
  expect(typesOf(qwen)).toBe("ffff");
  const gemma = { model_type: "gemma3_text", num_hidden_layers: 7 };
  expect(typesOf(gemma)).toBe("sssssfs");
  expect(typesOf({ ...gemma, sliding_window_pattern: 2 })).toBe("sfsfsfs");
  const mixed = ["full_attention", "sliding_attention", "full_attention"];
  expect(typesOf({ model_type: "gemma3_text", num_hidden_layers: 3, layer_types: mixed })).toBe("fsf");
  const smollm3 = { model_type: "smollm3", num_hidden_layers: 5, sliding_window: 8 };
  expect(typesOf(smollm3)).toBe("fffff");
  expect(typesOf({ ...smollm3, use_sliding_window: true })).toBe("fffsf");
  expect(typesOf({ ...smollm3, use_sliding_window: true, no_rope_layers: [0, 1, 1, 0, 1] })).toBe("sffsf");
});

test("which layers of SmolLM3 have rotary positions", () => {
  const rotatesIn = (config: JsonObject) =>
    parse({ model_type: "smollm3", num_hidden_layers: 5, ...config }).rotatesIn?.map(Number);
  expect(rotatesIn({})).toEqual([1, 1, 1, 0, 1]);
  expect(rotatesIn({ no_rope_layer_interval: 2 })).toEqual([1, 0, 1, 0, 1]);
  expect(rotatesIn({ no_rope_layers: [0, 0, 1, 1, 0] })).toEqual([0, 0, 1, 1, 0]);
  // transformers takes longer lists
  expect(rotatesIn({ no_rope_layers: [0, 0, 1, 1, 0, 1] })).toEqual([0, 0, 1, 1, 0]);
  expect(parse({ model_type: "llama" }).rotatesIn).toBeUndefined();
});

test("a head at another path of the backbone reads a language model's checkpoint", async () => {
  const checkpoint = changedCheckpoint("smollm3/lm", {});
  const options = { dtype: "float32", generator: new torch.Generator(1) } as const;
  const { model, initialized } = await loadModel(checkpoint, { ...headFor("question-answering", 2), ...options });
  expect(initialized).toEqual(["qa_outputs"]);
  expect(model.prefix).toBe("transformer");
  const language = await load("smollm3");
  const input = modelInput(tokenRows([3], [5, 50, 116]));
  const [states, expected] = [model, language.model].map((of) => of.hiddenStates(input, EVALUATION));
  for (const [i, state] of states!.entries()) expect(state.toArray()).toEqual(expected![i]!.toArray());
});

test.each(DECODERS)("%s: outputs don't depend on batching or the order of rows", async (family) => {
  const { model } = await load(family, {}, "float64");
  const rows = tokenRows(
    [7, 1, 16, 3],
    Array.from({ length: 27 }, (_, i) => 4 + ((i * 37) % 110)),
  );
  const alone = rows.map((row) => model.forward(modelInput([row]), EVALUATION));
  expectClose(model.forward(modelInput(rows), EVALUATION), torch.cat(alone, 0), 1e-9);
  expectClose(
    twiceDifferentiable(() => model.forward(modelInput(rows), EVALUATION)),
    torch.cat(alone, 0),
    1e-9,
  );
  expectClose(model.forward(modelInput(rows.toReversed()), EVALUATION), torch.cat(alone.toReversed(), 0), 1e-9);
});

test("the scale of embeddings is rounded to the dtype, as in Gemma", async () => {
  const { model } = await load("gemma3_text", {}, "bfloat16");
  const [embedded] = model.hiddenStates(modelInput(tokenRows([3], [5, 50, 116])), EVALUATION);
  const table = new Map(model.namedParameters()).get("model.embed_tokens.weight")!.tensor;
  const rows = torch.indexSelect(table, 0, torch.tensor([5, 50, 116], [3], "int64"));
  expect(embedded!.toArray()).toEqual(torch.mulScalar(rows, 4.90625).toArray()); // √24 in bfloat16
});

test.each<[string, JsonObject, RegExp]>([
  [
    "llama",
    { quantization_config: { quant_method: "gptq" } },
    /the quant_method "gptq" of quantization_config is not supported: weights are read/,
  ],
  ["llama", { per_layer_config: {} }, /per_layer_config is not supported/],
  ["llama", { is_causal: false }, /is_causal false is not supported/],
  ["llama", { num_experts: 8 }, /num_experts is not supported/],
  ["llama", { num_local_experts: 8 }, /num_local_experts is not supported/],
  ["llama", { num_key_value_heads: 3 }, /num_attention_heads \(4\) must be a multiple of num_key_value_heads \(3\)/],
  ["llama", { hidden_act: "relu6" }, /gated activation "relu6" is not supported/],
  ["llama", { pad_token_id: -1 }, /pad_token_id must be a token id below vocab_size/],
  ["mistral", { attention_bias: true }, /attention_bias true is not supported/],
  ["mistral", { layer_types: ["full_attention"] }, /layer_types is not supported/],
  ["qwen2", { attention_bias: false }, /attention_bias false is not supported; expected true or no such key/],
  [
    "qwen2",
    { layer_types: ["chunked_attention", "full_attention"] },
    /layer_types must be a list of 2 words out of full_attention, sliding_attention/,
  ],
  ["qwen2", { layer_types: ["full_attention"] }, /layer_types must be a list of 2 words/],
  [
    "qwen3",
    { use_sliding_window: false },
    /layer_types has sliding_attention, but there is no sliding_window that is on/,
  ],
  ["phi3", { attention_bias: true }, /attention_bias true is not supported/],
  ["gemma3_text", { attn_logit_softcapping: 50 }, /attn_logit_softcapping is not supported/],
  ["gemma3_text", { final_logit_softcapping: 30 }, /final_logit_softcapping is not supported/],
  ["gemma3_text", { use_bidirectional_attention: true }, /use_bidirectional_attention true is not supported/],
  ["gemma3_text", { sliding_window: null }, /layer_types has sliding_attention, but there is no sliding_window/],
  [
    "smollm3",
    { no_rope_layers: [1, 0] },
    /no_rope_layers must be a list of at least 3 numbers that are 0 or 1, but is/,
  ],
  ["smollm3", { no_rope_layers: [1, 0, 2] }, /no_rope_layers must be a list of at least 3 numbers that are 0 or 1/],
  ["smollm3", { no_rope_layers: "all" }, /no_rope_layers must be a list of at least 3 numbers/],
  ["smollm3", { no_rope_layer_interval: 0 }, /no_rope_layer_interval must be a whole number of at least 1/],
  ["smollm3", { use_sliding_window: false }, /layer_types has sliding_attention, but there is no sliding_window/],
  ["smollm3", { layer_types: ["full_attention"] }, /layer_types must be a list of 3 words/],
  ["gpt2", { is_causal: false }, /is_causal false is not supported/],
  [
    "llama",
    { model_type: "gemma3" },
    /model_type "gemma3" is not supported; supported are .*gpt2, llama, mistral, .*gemma3_text/,
  ],
])("%s refuses %o", async (family, config, message) => {
  await expect(load(family, config)).rejects.toThrow(message);
});

test.each(["ForTokenClassification", "ForQuestionAnswering"])("Gemma does not support %s", async (className) => {
  const checkpoint = changedCheckpoint("gemma3_text/lm", {});
  const options = { outputs: 2, dtype: "float32", generator: new torch.Generator(1) } as const;
  await expect(loadModel(checkpoint, { head: { className }, ...options })).rejects.toThrow(
    `Gemma3Text${className} is not supported`,
  );
});

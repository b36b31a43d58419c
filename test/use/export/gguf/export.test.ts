import { existsSync, mkdirSync, readdirSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { beforeEach, describe, expect, test, vi } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { type JsonObject, readJsonObject } from "../../../../src/base/records/json.js";
import { dequantize, type ReadableType } from "../../../../src/formats/gguf/elements.js";
import { type GgufFile, openGguf } from "../../../../src/formats/gguf/file.js";
import { resolveModel } from "../../../../src/formats/resolveModel.js";
import { saveSafetensors } from "../../../../src/formats/safetensors/safetensors.js";
import {
  ADAPTER_METHODS,
  type AdapterConfig,
  doraConfig,
  loraConfig,
  mergedWeight,
  readAdapter,
} from "../../../../src/models/adapters/index.js";
import { loadTokenizer } from "../../../../src/text/index.js";
import * as torch from "../../../../src/torch/index.js";
import { open } from "../../../../src/use/inference/open.js";
import { temporaryFolders } from "../../../formats/temporaryFolder.js";
import { expectClose, readTensors } from "../../../parity/goldenFiles.js";
import { GOLDEN } from "../../../support/golden.js";
import { tinyAdapter, tinyModel } from "./tinyModels.js";

const golden = (name: string) => join(GOLDEN, `io/gguf/${name}`);
const newFolder = temporaryFolders();
beforeEach(() => {
  vi.stubEnv("XDG_CACHE_HOME", newFolder());
});

const LLAMA = { model_type: "llama", architectures: ["LlamaForCausalLM"], tie_word_embeddings: false };
const llama = (config: JsonObject = {}) => tinyModel(join(newFolder(), "model"), "smollm", { ...LLAMA, ...config });

/** A tensor's values as the file has them. */
function valuesOf(file: GgufFile, name: string): torch.Tensor {
  const { type, shape } = file.info(name);
  return torch.tensor(dequantize(type as ReadableType, file.readBytes(name)), shape);
}

describe("a model exported to GGUF", () => {
  test.each(["smollm", "llama3", "qwen2", "qwen3", "pieces", "gemma3"])(
    "has what the file had that it was read from: %s",
    async (name) => {
      const output = join(newFolder(), "out", "model.gguf");
      const { note, relativeError } = await exportModel({
        model: golden(`${name}.gguf`),
        to: "gguf",
        outtype: "f32",
        output,
      });
      expect(note).toMatch(/^\d+ tensors in F32\.$/);
      expect(relativeError).toBeUndefined();
      const [before, after] = [openGguf(golden(`${name}.gguf`)), openGguf(output)];
      expect([...after.tensors.keys()].sort()).toEqual([...before.tensors.keys()].sort());
      for (const tensor of after.tensors.keys()) {
        const [own, found] = [valuesOf(before, tensor), valuesOf(after, tensor)];
        expect(found.shape, tensor).toEqual(own.shape);
        const isFactors = tensor === "rope_freqs.weight";
        if (isFactors) expectClose(found, own, 1e-6);
        else expect(torch.equal(found, own), tensor).toBe(true);
      }
      const [first, second] = [await resolveModel(golden(`${name}.gguf`)), await resolveModel(output)];
      expect(readJsonObject(join(second, "config.json"))).toEqual(readJsonObject(join(first, "config.json")));
      // Of Gemma's runs of spaces the reader keeps no more than that they are tokens.
      const same = name === "gemma3" ? /^tokenizer.ggml.(model|pre|\w+_id)$/ : /^tokenizer.ggml.(?!scores|add_)/;
      for (const key of before.metadata.keys.filter((key) => same.test(key)))
        expect(after.metadata.value(key), key).toEqual(before.metadata.value(key));
      const { texts, ids } = JSON.parse(readFileSync(golden(`${name}.json`), "utf8"));
      const encoded = await (await loadTokenizer(second)).encodeBatch(texts.map((text: string) => [text]));
      expect(encoded.map(({ inputIds }) => inputIds)).toEqual(ids);
    },
  );

  test("has the tokenizer metadata of llama.cpp's converter", async () => {
    const model = llama();
    const settings = join(model, "tokenizer_config.json");
    writeFileSync(settings, JSON.stringify({ ...readJsonObject(settings), eos_token: "<|endoftext|>" }));
    writeFileSync(join(model, "generation_config.json"), JSON.stringify({ eos_token_id: [0, 2] }));
    writeFileSync(join(model, "chat_template.jinja"), "{{ messages }}");
    const output = join(newFolder(), "model.gguf");
    await exportModel({ model, to: "gguf", outtype: "q8_0", output });
    const { metadata, tensors } = openGguf(output);
    const size = metadata.texts("tokenizer.ggml.tokens")!.length;
    expect(metadata.texts("tokenizer.ggml.tokens")!.slice(-3)).toEqual(
      [3, 2, 1].map((fromEnd) => `[PAD${size - fromEnd}]`),
    );
    expect(metadata.numbers("tokenizer.ggml.token_type")!.slice(-4)).toEqual([4, 5, 5, 5]);
    expect(metadata.numbers("tokenizer.ggml.token_type")!.slice(0, 3)).toEqual([3, 3, 3]);
    expect(metadata.text("tokenizer.ggml.pre")).toBe("smollm");
    expect(metadata.text("tokenizer.chat_template")).toBe("{{ messages }}");
    expect(metadata.flag("tokenizer.ggml.add_bos_token")).toBe(false);
    expect(metadata.count("tokenizer.ggml.eos_token_id")).toBe(0);
    expect(metadata.count("tokenizer.ggml.eot_token_id")).toBe(2);
    expect(metadata.count("general.file_type")).toBe(7);
    expect(metadata.text("general.name")).toBe("model");
    const types = Object.fromEntries([...tensors.values()].map(({ name, type }) => [name, type]));
    expect(types).toMatchObject({
      "blk.0.attn_norm.weight": "F32",
      "blk.0.attn_q.weight": "F16", // rows of 40 fill no blocks of 32
    });
    expect(
      readFileSync(join(output, "..", "model.Modelfile"), "utf8")
        .split("\n")
        .slice(1),
    ).toEqual(["FROM ./model.gguf", 'PARAMETER stop "<|endoftext|>"', 'PARAMETER stop "<|im_end|>"', ""]);
  });

  test("has no end-of-turn token if it is the end-of-text token", async () => {
    const [model, output] = [llama({ eos_token_id: [2] }), join(newFolder(), "model.gguf")];
    await exportModel({ model, to: "gguf", output });
    const { metadata } = openGguf(output);
    expect(metadata.count("tokenizer.ggml.eos_token_id")).toBe(2);
    expect(metadata.has("tokenizer.ggml.eot_token_id")).toBe(false);
  });

  test("has YaRN's original context length", async () => {
    const yarn = { rope_type: "yarn", rope_theta: 100, factor: 4, original_max_position_embeddings: 16 };
    const output = join(newFolder(), "model.gguf");
    await exportModel({ model: llama({ rope_parameters: yarn }), to: "gguf", output });
    const { metadata } = openGguf(output);
    expect(metadata.text("llama.rope.scaling.type")).toBe("yarn");
    expect(metadata.number("llama.rope.scaling.factor")).toBe(4);
    expect(metadata.count("llama.rope.scaling.original_context_length")).toBe(16);
    expect(metadata.number("llama.rope.freq_base")).toBe(100);
  });

  test("has scores of pieces in merge order", async () => {
    const model = tinyModel(join(newFolder(), "model"), "gemma3", LLAMA);
    const output = join(newFolder(), "model.gguf");
    await exportModel({ model, to: "gguf", output });
    const { metadata } = openGguf(output);
    const [tokens, scores] = [metadata.texts("tokenizer.ggml.tokens")!, metadata.numbers("tokenizer.ggml.scores")!];
    const { merges } = readJsonObject(join(model, "tokenizer.json")).model as { merges: string[][] };
    const merged = [...new Set(merges.map((pair) => pair.join("")))].filter((token) => token !== "\n\n");
    const found = merged.map((token) => scores[tokens.indexOf(token)]!);
    expect(new Set(found).size).toBe(merged.length);
    expect(found).toEqual(found.toSorted((a, b) => b - a));
    expect(metadata.flag("tokenizer.ggml.add_space_prefix")).toBe(false);
  });

  test.each([
    ["first", true, ["llama.cpp puts a space after each special token"]],
    ["always", true, ["llama.cpp puts a space before a text that begins with one, too"]],
    ["never", false, []],
  ])("has add_space_prefix for prepend_scheme %s, and notes what it can't say", async (scheme, hasPrefix, said) => {
    const [model, output] = [tinyModel(join(newFolder(), "model"), "pieces", LLAMA), join(newFolder(), "model.gguf")];
    const path = join(model, "tokenizer.json");
    const json = readJsonObject(path);
    const preTokenizer = { ...(json.pre_tokenizer as JsonObject), prepend_scheme: scheme };
    writeFileSync(path, JSON.stringify({ ...json, pre_tokenizer: preTokenizer }));
    const { notes } = await exportModel({ model, to: "gguf", output });
    expect(openGguf(output).metadata.flag("tokenizer.ggml.add_space_prefix")).toBe(hasPrefix);
    expect(notes).toEqual(said.map((start) => expect.stringContaining(start)));
  });

  test("notes that llama.cpp does not compose characters", async () => {
    const [model, output] = [tinyModel(join(newFolder(), "model"), "qwen2", LLAMA), join(newFolder(), "model.gguf")];
    const { notes } = await exportModel({ model, to: "gguf", output });
    expect(notes).toEqual([expect.stringContaining("does not compose characters")]);
  });

  test("is limited to the context of a sliding window that llama.cpp lacks", async () => {
    const output = join(newFolder(), "model.gguf");
    const model = llama({ model_type: "mistral", architectures: ["MistralForCausalLM"], sliding_window: 9 });
    const { note } = await exportModel({ model, to: "gguf", output });
    expect(note).toMatch(
      /in F16 \(F32 for vectors, and for rows that do not fill whole blocks\).*the context length is 9/,
    );
    expect(openGguf(output).metadata.count("llama.context_length")).toBe(9);
  });

  test.each<[string, JsonObject, RegExp]>([
    ["another activation", { hidden_act: "gelu" }, /its activation is gelu, but llama.cpp's llama uses silu/],
    [
      "positions that are stretched as the text grows",
      { rope_parameters: { rope_theta: 100, rope_type: "dynamic", factor: 2 } },
      /llama.cpp does not support dynamic RoPE scaling; supported are linear, llama3 and yarn/,
    ],
    [
      "Llama 3's positions in another family",
      {
        ...{ model_type: "qwen3", architectures: ["Qwen3ForCausalLM"] },
        rope_parameters: { rope_theta: 100, rope_type: "llama3", factor: 8, low_freq_factor: 1, high_freq_factor: 4 },
      },
      /llama.cpp supports llama3 RoPE scaling for llama models, but not for qwen3/,
    ],
    [
      "another YaRN",
      { rope_parameters: { rope_theta: 100, rope_type: "yarn", factor: 2, attention_factor: 1.5 } },
      /the attention_factor of its yarn scaling is not llama.cpp's/,
    ],
    [
      "heads of another size",
      { model_type: "qwen2", architectures: ["Qwen2ForCausalLM"] },
      /its heads have 6 · 6 dimensions, but llama.cpp's qwen2 requires the hidden size 40/,
    ],
    [
      "biases",
      { model_type: "qwen3", architectures: ["Qwen3ForCausalLM"], attention_bias: true },
      /it has biases that llama.cpp's qwen3 does not have/,
    ],
    [
      "other windows",
      { model_type: "gemma3_text", architectures: ["Gemma3ForCausalLM"], sliding_window: 4, sliding_window_pattern: 2 },
      /its layer_types differ from llama.cpp's, where every 6th layer has full attention/,
    ],
    [
      "another scale",
      { model_type: "gemma3_text", architectures: ["Gemma3ForCausalLM"], sliding_window: 4, query_pre_attn_scalar: 9 },
      /its query_pre_attn_scalar is not 6/,
    ],
    [
      "another base in windows",
      {
        ...{ model_type: "gemma3_text", architectures: ["Gemma3ForCausalLM"], sliding_window: 4 },
        ...{ query_pre_attn_scalar: 6, rope_local_base_freq: 77 },
      },
      /its sliding-window layers have RoPE base 77 and scaling default, but llama.cpp requires 10000 and none/,
    ],
    [
      "a family that it can't write",
      { model_type: "phi3", pad_token_id: 0 },
      /its model_type is phi3; supported are llama, mistral/,
    ],
  ])("is refused: %s", async (_, config, message) => {
    const folder = newFolder();
    await expect(
      exportModel({ model: llama(config), to: "gguf", output: join(folder, "x", "m.gguf") }),
    ).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
  });

  test("is refused for a classifier", async () => {
    const model = llama({ architectures: ["LlamaForSequenceClassification"], pad_token_id: 0 });
    const path = join(model, "model.safetensors");
    const score = torch.zeros([2, 40]);
    saveSafetensors(path, [...readTensors(path), ["score.weight", score]], { format: "pt" });
    await expect(exportModel({ model, to: "gguf", output: join(newFolder(), "m.gguf") })).rejects.toThrow(
      /it is for sequence-classification, but llama.cpp runs only causal language models/,
    );
  });

  test.each<[string, (json: JsonObject) => JsonObject, RegExp]>([
    [
      "an unknown way of splitting",
      (json) => ({ ...json, pre_tokenizer: { type: "ByteLevel", add_prefix_space: true, trim_offsets: true } }),
      /match none of llama.cpp.s pre-tokenizers that are supported here .gpt-2.*convert_hf_to_gguf.py/,
    ],
    [
      "merges that are passed over",
      (json) => ({ ...json, model: { ...(json.model as JsonObject), ignore_merges: true } }),
      /match none of llama.cpp.s pre-tokenizers/,
    ],
    [
      "whole words",
      (json) => ({ ...json, model: WORD_LEVEL }),
      /the tokenizer's model "WordLevel" is not supported; expected BPE, WordPiece or Unigram/,
    ],
    [
      "pieces of words that the normalizer of a language model splits",
      (json) => ({ ...json, model: WORD_PIECE }),
      /has the normalizer none and the pre-tokenizer Sequence, but llama.cpp's WordPiece does what BertNormalizer and BertPreTokenizer do/,
    ],
    [
      "another first token",
      (json) => ({
        ...json,
        post_processor: {
          type: "TemplateProcessing",
          single: [{ SpecialToken: { id: "<|im_end|>", type_id: 0 } }, { Sequence: { id: "A", type_id: 0 } }],
          pair: [{ Sequence: { id: "A", type_id: 0 } }, { Sequence: { id: "B", type_id: 0 } }],
          special_tokens: { "<|im_end|>": { id: "<|im_end|>", ids: [2], tokens: ["<|im_end|>"] } },
        },
      }),
      /its tokenizer adds tokens 2 before a text, but llama.cpp can only add the bos_token/,
    ],
    [
      "words that have an end",
      (json) => ({ ...json, model: { ...(json.model as JsonObject), end_of_word_suffix: "</w>" } }),
      /the tokenizer's model has end_of_word_suffix "<\/w>", which llama.cpp does not support/,
    ],
    [
      "tokens that take spaces with them",
      (json) => ({ ...json, added_tokens: (json.added_tokens as JsonObject[]).map((t) => ({ ...t, lstrip: true })) }),
      /token "<\|endoftext\|>" has lstrip, which llama.cpp does not support/,
    ],
    [
      "more tokens than embeddings",
      (json) => ({
        ...json,
        added_tokens: [
          ...(json.added_tokens as JsonObject[]),
          { ...(json.added_tokens as JsonObject[])[0], id: 999, content: "<far>" },
        ],
      }),
      /token "<far>" has id 999, but there are \d+ embeddings/,
    ],
  ])("is refused for an unsupported tokenizer: %s", async (_, change, message) => {
    const model = llama();
    const path = join(model, "tokenizer.json");
    writeFileSync(path, JSON.stringify(change(readJsonObject(path))));
    await expect(exportModel({ model, to: "gguf", output: join(newFolder(), "m.gguf") })).rejects.toThrow(message);
  });

  test.each<[string, (json: JsonObject) => JsonObject, RegExp]>([
    [
      "a merge that is left out",
      (json) => withMerges(json, (merges) => merges.slice(0, -1)),
      /the tokenizer never merges .* as SentencePiece and llama.cpp would/,
    ],
    ["merges that come in turn", (json) => withMerges(json, withLateMerge), /the tokenizer merges .* at several ranks/],
    [
      "another normalizer",
      (json) => ({ ...json, normalizer: { type: "NFKC" } }),
      /normalizer and pre_tokenizer are not those of a SentencePiece model/,
    ],
  ])("is refused for unsupported pieces: %s", async (_, change, message) => {
    const model = tinyModel(join(newFolder(), "model"), "gemma3", LLAMA);
    const path = join(model, "tokenizer.json");
    writeFileSync(path, JSON.stringify(change(readJsonObject(path))));
    await expect(exportModel({ model, to: "gguf", output: join(newFolder(), "m.gguf") })).rejects.toThrow(message);
  });
});

const WORD_LEVEL = { type: "WordLevel", unk_token: "!", vocab: { "!": 0 } };
const WORD_PIECE = {
  ...{ type: "WordPiece", unk_token: "!", vocab: { "!": 0 } },
  ...{ continuing_subword_prefix: "##", max_input_chars_per_word: 9 },
};

/** The second way of making a token is put at the end. */
function withLateMerge(merges: string[][]): string[][] {
  const at = merges.findIndex((merge, i) => merge.join("") === merges[i - 1]?.join(""));
  return [...merges.slice(0, at), ...merges.slice(at + 1), merges[at]!];
}

function withMerges(json: JsonObject, change: (merges: string[][]) => string[][]): JsonObject {
  const model = json.model as JsonObject;
  return { ...json, model: { ...model, merges: change(model.merges as string[][]) } };
}

describe("an adapter exported to GGUF", () => {
  test("has LoRA's A and B with each module's scale", async () => {
    const model = llama();
    const config = loraConfig({
      ...{ rank: 4, alpha: 6, rslora: true, targetModules: ["q_proj", "k_proj", "o_proj"] },
      ...{ rankPattern: { o_proj: 2 }, alphaPattern: { k_proj: 3 } },
    });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, config);
    const output = join(newFolder(), "lora.gguf");
    const { note } = await exportModel({ adapter, to: "gguf-lora", rank: 4, output });
    expect(note).toBe("Rank 4: the change of the weights is kept exactly.");
    const file = openGguf(output);
    expect(file.metadata.text("general.type")).toBe("adapter");
    expect(file.metadata.text("adapter.type")).toBe("lora");
    expect(file.metadata.text("general.architecture")).toBe("llama");
    expect(file.tensors.size).toBe(12);
    const alpha = file.metadata.number("adapter.lora.alpha")!;
    const { tensors } = await readAdapter(adapter);
    for (const [part, scale] of [
      ["q_proj", 3],
      ["k_proj", 1.5],
      ["o_proj", 6 / Math.sqrt(2)],
    ] as const) {
      const name = `blk.1.attn_${part[0] === "o" ? "output" : part[0]}.weight`;
      const [a, b] = [valuesOf(file, `${name}.lora_a`), valuesOf(file, `${name}.lora_b`)];
      const [ownA, ownB] = ["A", "B"].map(
        (side) => tensors.get(`model.layers.1.self_attn.${part}.lora_${side}.weight`)!,
      );
      expect(torch.equal(a, ownA!)).toBe(true);
      const order = part === "o_proj" ? undefined : [0, 3, 1, 4, 2, 5]; // of six rows of a head
      const rows = Array.from({ length: b.shape[0]! }, (_, i) => (order ? Math.floor(i / 6) * 6 + order[i % 6]! : i));
      const wanted = torch.mulScalar(torch.indexSelect(ownB!, 0, torch.tensor(rows, undefined, "int64")), scale);
      expectClose(torch.mulScalar(b, alpha / a.shape[0]!), wanted, 1e-6);
    }
    expect(
      readFileSync(join(output, "..", "lora.Modelfile"), "utf8")
        .split("\n")
        .slice(1, 3),
    ).toEqual([`FROM ${model}`, "ADAPTER ./lora.gguf"]);
  });

  test("has B unscaled if one alpha holds for all modules", async () => {
    const model = llama();
    const config = loraConfig({ rank: 3, alpha: 5, targetModules: ["v_proj"] });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, config);
    const output = join(newFolder(), "lora.gguf");
    await exportModel({ adapter, to: "gguf-lora", output });
    const file = openGguf(output);
    expect(file.metadata.number("adapter.lora.alpha")).toBe(5);
    const own = (await readAdapter(adapter)).tensors.get("model.layers.0.self_attn.v_proj.lora_B.weight")!;
    expect(torch.equal(valuesOf(file, "blk.0.attn_v.weight.lora_b"), own)).toBe(true);
  });

  test("of a LoRA with alpha 0 changes nothing", async () => {
    const model = llama();
    const config = loraConfig({ rank: 3, alpha: 0, targetModules: ["v_proj"] });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, config);
    const output = join(newFolder(), "lora.gguf");
    await exportModel({ adapter, to: "gguf-lora", output });
    const file = openGguf(output);
    expect(file.metadata.number("adapter.lora.alpha")).toBe(1);
    expect(new Set(valuesOf(file, "blk.0.attn_v.weight.lora_b").toArray())).toEqual(new Set([0]));
  });

  test("of DoRA is an SVD with its reported error, in float16 on request", async () => {
    const model = golden("smollm.gguf");
    const folder = newFolder();
    const base = await resolveModel(model);
    const config = doraConfig({ rank: 2, alpha: 4, targetModules: ["q_proj", "down_proj"] });
    const adapter = await tinyAdapter(join(folder, "adapter"), base, config);
    const output = join(folder, "out", "lora.gguf");
    const { note, relativeError } = await exportModel({
      model,
      adapter,
      to: "gguf-lora",
      rank: 3,
      outtype: "f16",
      output,
    });
    expect(note).toMatch(/^Rank 3: the change of the weights is kept with a relative error of 0\.\d+ overall, at most/);
    expect(relativeError).toBeGreaterThan(0.01);
    const { tensors } = openGguf(output);
    expect(new Set([...tensors.values()].map(({ type }) => type))).toEqual(new Set(["F16"]));
    expect(readFileSync(join(output, "..", "lora.Modelfile"), "utf8")).toContain(`FROM ${model}\n`);
    const larger = await exportModel({
      ...{ model, adapter, to: "gguf-lora" as const, rank: 6, output: join(folder, "larger", "lora.gguf") },
    });
    expect(larger.relativeError).toBeLessThan(relativeError!);
  });

  test.each<[string, Parameters<typeof loraConfig>[0], RegExp]>([
    [
      "whole modules",
      { targetModules: ["v_proj"], modulesToSave: ["lm_head"] },
      /besides weight updates, the adapter trains lm_head.weight.*use --to gguf/,
    ],
    [
      "biases",
      { targetModules: ["v_proj"], bias: "all" },
      /besides weight updates, the adapter trains .*bias and \d+ more, which/,
    ],
    ["biases of updates", { targetModules: ["v_proj"], loraBias: true }, /trains .*v_proj.lora_B.bias and 1 more/],
  ])("is refused with %s", async (_, given, message) => {
    const model = llama({ attention_bias: true });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, loraConfig({ rank: 2, ...given }));
    const folder = newFolder();
    await expect(exportModel({ adapter, to: "gguf-lora", output: join(folder, "x.gguf") })).rejects.toThrow(message);
    expect(readdirSync(folder)).toEqual([]);
    await exportModel({ adapter, to: "gguf", output: join(folder, "x.gguf") });
  });

  const targetModules = ["v_proj", "down_proj"];
  test.each<[string, AdapterConfig]>([
    ["lora", loraConfig({ rank: 3, alpha: 5, targetModules })],
    ["rslora", loraConfig({ rank: 3, rslora: true, rankPattern: { v_proj: 5 }, targetModules })],
    ["dora", doraConfig({ rank: 3, alpha: 5, targetModules })],
    ["dora along in", doraConfig({ rank: 3, axis: "in", targetModules })],
    ["vera", ADAPTER_METHODS.vera.config({ rank: 4, targetModules })],
    ["oft", ADAPTER_METHODS.oft.config({ rank: 4, targetModules })],
    ["prediag", ADAPTER_METHODS.prediag.config({ rank: 4, targetModules })],
    ["ia3", ADAPTER_METHODS.ia3.config({ targetModules, feedforwardModules: ["down_proj"] })],
    ["miss", ADAPTER_METHODS.miss.config({ rank: 3, targetModules })],
    ["delora", ADAPTER_METHODS.delora.config({ rank: 3, targetModules })],
    ["hira", ADAPTER_METHODS.hira.config({ rank: 3, targetModules })],
  ])("of %s is W' - W0 at its rank", async (_, config) => {
    const model = llama();
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, config);
    const { adapted } = await open({ model, adapter }, { dtype: "float32" });
    for (const rank of [40, 2]) {
      const output = join(newFolder(), "lora.gguf");
      const { relativeError } = await exportModel({ adapter, to: "gguf-lora", rank, output });
      const file = openGguf(output);
      const alpha = file.metadata.number("adapter.lora.alpha")!;
      const [lost, whole] = torch.scope(() => {
        const parts = adapted!.modules.map((module) => {
          const [, layer, part] = /layers\.(\d).*\.(v|down)_proj/.exec(module.path)!;
          const path = `blk.${layer}.${part === "v" ? "attn_v" : "ffn_down"}.weight`;
          const [a, b] = [valuesOf(file, `${path}.lora_a`), valuesOf(file, `${path}.lora_b`)];
          const wanted = torch.sub(mergedWeight(module), module.layer.weight.tensor);
          const found = torch.mulScalar(torch.matmul(b, a), alpha / a.shape[0]!);
          const squared = (tensor: torch.Tensor) => torch.sum(torch.square(tensor)).item();
          return [squared(torch.sub(found, wanted)), squared(wanted)] as const;
        });
        return [0, 1].map((i) => Math.sqrt(parts.reduce((sum, part) => sum + part[i]!, 0))) as [number, number];
      });
      expect(whole).toBeGreaterThan(1);
      expect(lost / whole).toBeCloseTo(relativeError!, 5);
      if (rank === 40) expect(relativeError).toBeLessThan(1e-5);
      else expect(relativeError).toBeGreaterThan(0.05);
    }
  });

  test("is refused if it has no weight updates", async () => {
    const model = llama({ attention_bias: true });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, ADAPTER_METHODS.bitfit.config({}));
    await expect(exportModel({ adapter, to: "gguf-lora", output: join(newFolder(), "x.gguf") })).rejects.toThrow(
      /use --to gguf, which merges everything/,
    );
  });

  test("is refused if its effect is no weight update, also merged", async () => {
    const config = ADAPTER_METHODS.adapter.config({ targetModules: ["o_proj"], adapterSize: 2 });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), llama(), config);
    for (const to of ["gguf-lora", "gguf"] as const) {
      const output = join(newFolder(), "x.gguf");
      await expect(exportModel({ adapter, to, output })).rejects.toThrow(
        /^model\.layers\.0\.self_attn\.o_proj is followed by a bottleneck/,
      );
      expect(existsSync(output)).toBe(false);
    }
  });
});

describe("existing GGUF files", () => {
  const write = (model: string, output: string, overwrite = false) =>
    exportModel({ model, to: "gguf", output, overwrite });

  test("are replaced by --overwrite if bidora wrote them", async () => {
    const [model, folder] = [llama(), newFolder()];
    const output = join(folder, "m.gguf");
    await write(model, output);
    await expect(write(model, output)).rejects.toThrow(/m.gguf exists: give another --output, or --overwrite/);
    rmSync(output);
    await expect(write(model, output)).rejects.toThrow(
      /m.gguf also writes m.Modelfile next to it, but .*m.Modelfile exists: give --overwrite/,
    );
    await write(model, output, true);
    writeFileSync(join(folder, "m.Modelfile"), "FROM ./m.gguf\n");
    await expect(write(model, output, true)).rejects.toThrow(/m.Modelfile exists: give another --output\./);
    expect(readFileSync(join(folder, "m.Modelfile"), "utf8")).toBe("FROM ./m.gguf\n");
    expect(readdirSync(folder).sort()).toEqual(["m.Modelfile", "m.gguf"]);
  });

  test("can be several in a folder, each with its own Modelfile", async () => {
    const [model, folder] = [llama(), newFolder()];
    const config = loraConfig({ rank: 3, alpha: 5, targetModules: ["v_proj"] });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, config);
    const linesOf = (name: string) => readFileSync(join(folder, name), "utf8").split("\n");
    await write(model, join(folder, "base.gguf"));
    await write(model, join(folder, "other.GGUF"));
    await exportModel({ adapter, to: "gguf-lora", output: join(folder, "lora.gguf") });
    const models = ["base.gguf", "lora.gguf", "other.GGUF"];
    const modelfiles = ["base.Modelfile", "lora.Modelfile", "other.Modelfile"];
    expect(readdirSync(folder).sort()).toEqual([...models, ...modelfiles].sort());
    expect(linesOf("base.Modelfile").slice(0, 2)).toEqual([
      "# Written by bidora export; use it with: ollama create NAME -f base.Modelfile",
      "FROM ./base.gguf",
    ]);
    expect(linesOf("other.Modelfile")[1]).toBe("FROM ./other.GGUF");
    expect(linesOf("lora.Modelfile").slice(1, 3)).toEqual([`FROM ${model}`, "ADAPTER ./lora.gguf"]);
  });

  test("keep another file's Modelfile, with and without --overwrite", async () => {
    const [model, folder] = [llama(), newFolder()];
    await write(model, join(folder, "m.GGUF"));
    await expect(write(model, join(folder, "m.gguf"), true)).rejects.toThrow(/m.Modelfile exists: give another/);
    expect(readFileSync(join(folder, "m.Modelfile"), "utf8")).toContain("FROM ./m.GGUF\n");
    const lora = join(folder, "again.gguf");
    const config = loraConfig({ rank: 3, alpha: 5, targetModules: ["v_proj"] });
    const adapter = await tinyAdapter(join(newFolder(), "adapter"), model, config);
    await exportModel({ adapter, to: "gguf-lora", output: lora });
    await write(model, lora, true);
    expect(readFileSync(join(folder, "again.Modelfile"), "utf8")).toContain("FROM ./again.gguf\n");
  });

  test("are never replaced while they are read", async () => {
    const output = join(newFolder(), "m.gguf");
    await write(llama(), output);
    await expect(write(output, output, true)).rejects.toThrow(/m.gguf is an input of this command/);
  });

  test("need different names", async () => {
    const model = llama();
    await expect(write(model, join(newFolder(), "folder"))).rejects.toThrow(/folder must end in .gguf/);
    await expect(exportModel({ model, to: "gguf" })).rejects.toThrow(/--output is missing/);
    mkdirSync(join(model, "m.gguf"));
    await expect(write(model, join(model, "m.gguf"))).rejects.toThrow(/m.gguf is not a file/);
  });
});

test.each([
  [{ to: "gguf", rank: 4 }, /--rank \(applies only with --to peft-lora or gguf-lora\)/],
  [{ to: "peft-lora", outtype: "f16" }, /--outtype \(applies only with --to gguf-lora or gguf\)/],
  [
    { to: "gguf-lora", outtype: "q8_0", adapter: "/x" },
    /--outtype q8_0 is not supported with --to gguf-lora: use f32 or f16/,
  ],
  [{ to: "gguf-lora" }, /--adapter is missing/],
  [{}, /--to is missing: take/],
] as const)("%j is wrong usage", async (given, message) => {
  await expect(exportModel({ model: "/nowhere", output: "x.gguf", ...given })).rejects.toThrow(message);
});

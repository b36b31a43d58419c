import {
  appendFileSync,
  copyFileSync,
  readdirSync,
  readFileSync,
  rmSync,
  symlinkSync,
  utimesSync,
  writeFileSync,
} from "node:fs";
import { dirname, join } from "node:path";
import { beforeEach, describe, expect, it, vi } from "vitest";
import { inspect } from "../../../src/app/commands/models/inspect.js";
import { readJsonObject } from "../../../src/base/records/json.js";
import { openCheckpoint } from "../../../src/formats/checkpoint.js";
import { openGguf } from "../../../src/formats/gguf/file.js";
import type { GgufValue } from "../../../src/formats/gguf/types.js";
import { openGgufWeights } from "../../../src/formats/gguf/weights.js";
import { writeGguf } from "../../../src/formats/gguf/writer.js";
import { resolveModel } from "../../../src/formats/resolveModel.js";
import { openSafetensors } from "../../../src/formats/safetensors/safetensors.js";
import { isSentenceTransformer, PLAIN_FORMAT, readEmbeddingFormat } from "../../../src/formats/sentenceTransformers.js";
import { ARCHITECTURES } from "../../../src/models/architectures.js";
import { architectureOf, loadModel } from "../../../src/models/index.js";
import { TASKS } from "../../../src/tasks/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import * as torch from "../../../src/torch/index.js";
import type { ModelInspection } from "../../../src/use/inference/inspection.js";
import { GOLDEN } from "../../support/golden.js";
import { temporaryFolders } from "../temporaryFolder.js";

/** A folder that can't be removed, as another user's can't. */
const kept = vi.hoisted(() => ({ path: "" }));
vi.mock("node:fs", async (original) => {
  const fs = await original<typeof import("node:fs")>();
  const rmSync: typeof fs.rmSync = (path, options) => {
    if (path === kept.path) throw new Error("EACCES: permission denied");
    fs.rmSync(path, options);
  };
  return { ...fs, rmSync };
});

const golden = (name: string) => join(GOLDEN, `io/gguf/${name}`);
const folder = temporaryFolders();
let cache: string;
beforeEach(() => {
  cache = folder();
  vi.stubEnv("XDG_CACHE_HOME", cache);
});

const NAMES = ["smollm", "llama3", "qwen2", "qwen3", "pieces", "gemma3"];

interface Truth {
  readonly config?: Readonly<Record<string, unknown>>;
  readonly texts: readonly string[];
  readonly ids: readonly (readonly number[])[];
}
const truthOf = (name: string) => JSON.parse(readFileSync(golden(`${name}.json`), "utf8")) as Truth;

/** More elements than are decoded at a time, and not a whole number of times as many. */
const LARGE = [3, 2 ** 21 + 32];

/** The weights of a file with an embedding of the shape `LARGE`. */
function largeEmbedding(type: "Q8_0" | "F16" | "F32", tensor: () => torch.Tensor) {
  const path = join(folder(), "large.gguf");
  const metadata: [string, GgufValue][] = [
    ["general.architecture", text("llama")],
    ["llama.attention.head_count", count(1)],
    ["llama.block_count", count(1)],
  ];
  writeGguf(path, metadata, [{ name: "token_embd.weight", type, shape: LARGE, tensor }]);
  return openGgufWeights(path);
}

/** A golden file with changed metadata (undefined removes a key) and additional tensors. */
function changed(
  name: string,
  changes: Readonly<Record<string, GgufValue | undefined>>,
  extra: readonly string[] = [],
): string {
  const original = openGguf(golden(`${name}.gguf`));
  const path = join(folder(), `${name}.gguf`);
  const keys = new Set([...original.metadata.keys, ...Object.keys(changes)]);
  const values = Array.from(
    keys,
    (key) => [key, key in changes ? changes[key] : original.metadata.value(key)] as const,
  );
  const tensors = Array.from(original.tensors.values(), ({ name, shape }) => ({
    name,
    type: "F32" as const,
    shape,
    tensor: () => torch.zeros(shape),
  }));
  const more = extra.map((name) => ({ name, type: "F32" as const, shape: [1], tensor: () => torch.zeros([1]) }));
  writeGguf(
    path,
    values.filter((pair): pair is [string, GgufValue] => pair[1] !== undefined),
    [...tensors, ...more],
  );
  original.close();
  return path;
}

const text = (value: string): GgufValue => ({ type: "string", value });
const count = (value: number): GgufValue => ({ type: "uint32", value });
const number = (value: number): GgufValue => ({ type: "float32", value });

describe("a GGUF file as a model", () => {
  it.each(NAMES)("has the weights it was converted from: %s", async (name) => {
    const checkpoint = openCheckpoint(await resolveModel(golden(`${name}.gguf`)));
    const truth = openSafetensors(golden(`${name}.safetensors`));
    expect([...checkpoint.names].sort()).toEqual([...truth.names].sort());
    for (const tensor of truth.names) {
      torch.scope(() => {
        const own = checkpoint.readTensor(tensor);
        expect(own.dtype).toBe(torchName(checkpoint.info(tensor).dtype));
        expect(own.shape).toEqual(truth.info(tensor).shape);
        expect(checkpoint.info(tensor).shape).toEqual(own.shape);
        expect(torch.castTo(own, "float32").toArray(), tensor).toEqual(truth.readTensor(tensor).toArray());
        expect(Buffer.from(checkpoint.readBytes(tensor))).toEqual(Buffer.from(own.bytes()));
      });
    }
    checkpoint.close();
    truth.close();
  });

  it("reads a tensor larger than the dequantization chunk", () => {
    const tensor = () =>
      torch.tensor(
        Float32Array.from({ length: torch.numelOf(LARGE) }, (_, i) => i),
        LARGE,
      );
    const weights = largeEmbedding("F32", tensor);
    torch.scope(() => {
      const read = weights.readTensor("model.embed_tokens.weight");
      expect(Buffer.compare(read.bytes(), tensor().bytes())).toBe(0);
    });
    weights.close();
  });

  it.each(["Q8_0", "F16", "F32"] as const)("decodes %s piece by piece, in the dtype that is wanted", (type) => {
    const generator = new torch.Generator(1);
    const weights = largeEmbedding(type, () => torch.normal_(torch.empty(LARGE), 0, 1, { generator }));
    torch.scope(() => {
      const before = process.memoryUsage().arrayBuffers;
      const whole = weights.readTensor("model.embed_tokens.weight");
      const own = weights.readTensor("model.embed_tokens.weight", false, "bfloat16");
      expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(2 ** 20);
      expect(own.dtype).toBe("bfloat16");
      expect(own.shape).toEqual(LARGE);
      expect(torch.equal(own, torch.castTo(whole, "bfloat16"))).toBe(true);
    });
    weights.close();
  });

  it.each(NAMES)("has a configuration that the model family accepts: %s", async (name) => {
    const path = await resolveModel(golden(`${name}.gguf`));
    const config = readJsonObject(join(path, "config.json"));
    expect(config).toMatchObject(withoutNull(truthOf(name).config ?? {}));
    if (Object.hasOwn(ARCHITECTURES, String(config.model_type)))
      expect(architectureOf(config).parseConfig(config)).toMatchObject({ layers: config.num_hidden_layers });
  });

  it("has configuration keys that transformers leaves at defaults", async () => {
    const llama = readJsonObject(join(await resolveModel(golden("llama3.gguf")), "config.json"));
    expect(llama).toMatchObject({ head_dim: 16, attention_bias: true, mlp_bias: true, tie_word_embeddings: false });
    expect(llama.rope_parameters).toEqual({
      rope_type: "llama3",
      rope_theta: 10000,
      factor: 8,
      low_freq_factor: 1,
      high_freq_factor: 4,
      original_max_position_embeddings: 64,
    });
    const qwen = readJsonObject(join(await resolveModel(golden("qwen3.gguf")), "config.json"));
    expect(qwen).toMatchObject({ head_dim: 10, rope_parameters: { rope_type: "default", rope_theta: 50000 } });
  });

  it("has Gemma 3's settings that llama.cpp hard-codes", async () => {
    const config = readJsonObject(join(await resolveModel(golden("gemma3.gguf")), "config.json"));
    expect(config).toMatchObject({
      query_pre_attn_scalar: 8,
      hidden_activation: "gelu_pytorch_tanh",
      sliding_window: 5,
    });
    expect(config.rope_parameters).toEqual({
      full_attention: { rope_type: "linear", factor: 8, rope_theta: 1e6 },
      sliding_attention: { rope_type: "default", rope_theta: 1e4 },
    });
    const changes = { "gemma3.attention.sliding_window": undefined, "gemma3.rope.scaling.type": text("none") };
    const plain = readJsonObject(join(await resolveModel(changed("gemma3", changes)), "config.json"));
    expect(plain.layer_types).toEqual(Array(6).fill("full_attention"));
    expect(plain.rope_parameters).toMatchObject({ full_attention: { rope_type: "default", rope_theta: 1e6 } });
  });

  it.each(NAMES)("tokenizes text as the original tokenizer: %s", async (name) => {
    const tokenizer = await loadTokenizer(await resolveModel(golden(`${name}.gguf`)));
    const { texts, ids } = truthOf(name);
    const encoded = await tokenizer.encodeBatch(texts.map((text) => [text]));
    expect(encoded.map(({ inputIds }) => inputIds)).toEqual(ids);
    expect(tokenizer.modelMaxLength).toBe(96);
  });

  it("keeps special tokens, the chat template and the end tokens", async () => {
    const path = changed("smollm", { "tokenizer.ggml.eot_token_id": count(1) });
    const where = await resolveModel(path);
    expect(readJsonObject(join(where, "tokenizer_config.json"))).toMatchObject({
      bos_token: "<|im_start|>",
      eos_token: "<|im_end|>",
      pad_token: "<|endoftext|>",
      chat_template: "{% for m in messages %}{{ m['content'] }}{% endfor %}",
    });
    expect(readJsonObject(join(where, "generation_config.json"))).toEqual({ eos_token_id: [2, 1] });
  });

  it("knows the token that ends a turn by its text if no key names it", async () => {
    const folder = await resolveModel(changed("smollm", { "tokenizer.ggml.eos_token_id": count(0) }));
    expect(readJsonObject(join(folder, "generation_config.json"))).toEqual({ eos_token_id: [0, 2] });
  });

  it.each([
    [1, "mean"],
    [2, "cls"],
    [3, "last"],
  ])("embeds texts by the file's pooling: %i is %s", async (type, pooling) => {
    const path = await resolveModel(changed("smollm", { "llama.pooling_type": count(type) }));
    expect(readEmbeddingFormat(path)).toEqual({ ...PLAIN_FORMAT, pooling, maxLength: 96 });
    expect(readJsonObject(join(path, "1_Pooling", "config.json")).word_embedding_dimension).toBe(32);
    // The file has no output matrix, and its embeddings are not one.
    expect(readJsonObject(join(path, "config.json")).tie_word_embeddings).toBe(false);
  });

  it.each([undefined, 0])("is a language model with pooling %s", async (type) => {
    const changes = type === undefined ? {} : { "llama.pooling_type": count(type) };
    const path = await resolveModel(changed("smollm", changes));
    expect(isSentenceTransformer(path)).toBe(false);
    expect(readJsonObject(join(path, "config.json")).tie_word_embeddings).toBe(true);
  });

  it("adds start and end tokens if the file says so", async () => {
    const flags = { "tokenizer.ggml.add_bos_token": yes, "tokenizer.ggml.add_eos_token": yes };
    const tokenizer = await loadTokenizer(await resolveModel(changed("smollm", flags)));
    expect((await tokenizer.encode(["x"])).inputIds).toEqual([1, expect.any(Number), 2]);
    expect((await tokenizer.encode(["x", "x"])).inputIds.filter((id) => id < 3)).toEqual([1, 2, 1, 2]);
  });

  it.each<[string, string, Readonly<Record<string, GgufValue | undefined>>, object]>([
    ["no scaling", "smollm", {}, { rope_type: "default", rope_theta: 50000 }],
    [
      "none",
      "smollm",
      { "llama.rope.scaling.type": text("none"), "llama.rope.scaling.factor": number(4) },
      { rope_type: "default" },
    ],
    [
      "linear",
      "smollm",
      { "llama.rope.scaling.type": text("linear"), "llama.rope.scaling.factor": number(4) },
      { rope_type: "linear", factor: 4 },
    ],
    [
      "linear, given only its factor",
      "smollm",
      { "llama.rope.scaling.factor": number(4) },
      { rope_type: "linear", factor: 4 },
    ],
    ["linear, by the old key", "smollm", { "llama.rope.scale_linear": number(2) }, { rope_type: "linear", factor: 2 }],
    [
      "yarn",
      "qwen2",
      {
        "qwen2.rope.scaling.type": text("yarn"),
        "qwen2.rope.scaling.factor": number(4),
        "qwen2.rope.scaling.original_context_length": count(32),
      },
      { rope_type: "yarn", factor: 4, original_max_position_embeddings: 32 },
    ],
  ])("reads RoPE scaling: %s", async (_, name, changes, expected) => {
    const config = readJsonObject(join(await resolveModel(changed(name, changes)), "config.json"));
    expect(config.rope_parameters).toMatchObject(expected);
  });

  it.each<[string, Readonly<Record<string, GgufValue | undefined>>, RegExp]>([
    [
      "another architecture",
      { "general.architecture": text("falcon") },
      /general.architecture "falcon" is not supported; supported are llama, qwen2, qwen3/,
    ],
    ["no architecture", { "general.architecture": undefined }, /lack the required key general.architecture/],
    ["a mixture of experts", { "llama.expert_count": count(8) }, /llama.expert_count is 8, which is not supported/],
    ["bidirectional attention", { "llama.attention.causal": no }, /llama.attention.causal is false/],
    [
      "clamped projections",
      { "llama.attention.clamp_kqv": number(8) },
      /attention.clamp_kqv is 8, which is not supported/,
    ],
    [
      "a missing number of heads",
      { "llama.attention.head_count": undefined },
      /lack the required key llama.attention.head_count/,
    ],
    [
      "a number of heads per layer",
      { "llama.attention.head_count": { type: "array", of: "int32", values: [4, 2] } },
      /head_count must be a non-negative integer/,
    ],
    [
      "value heads of another size",
      { "llama.attention.key_length": count(8), "llama.attention.value_length": count(4) },
      /value_length is 4, but queries and keys have 8/,
    ],
    [
      "partial rotary embeddings",
      { "llama.attention.key_length": count(8), "llama.rope.dimension_count": count(4) },
      /dimension_count is 4, but heads have 8/,
    ],
    [
      "an unknown kind of RoPE scaling",
      { "llama.rope.scaling.type": text("longrope") },
      /scaling.type "longrope" is not supported/,
    ],
    [
      "unsupported settings of RoPE scaling",
      { "llama.rope.scaling.type": text("yarn"), "llama.rope.scaling.yarn_beta_fast": number(2) },
      /yarn_beta_fast is not supported/,
    ],
    [
      "an unsupported tokenizer model",
      { "tokenizer.ggml.model": text("bert") },
      /tokenizer.ggml.model "bert" is not supported; supported are gpt2 and llama/,
    ],
    [
      "an unknown pre-tokenizer",
      { "tokenizer.ggml.pre": text("llama-bqe") },
      /pre "llama-bqe" is not supported; supported are .*llama-bpe.*Did you mean/s,
    ],
    // llama.cpp's own default splits digits and marks apart, and no tokenizer.json does so
    ["an unknown pattern", { "tokenizer.ggml.pre": text("default") }, /pre "default" is not supported/],
    ["a missing pre-tokenizer", { "tokenizer.ggml.pre": undefined }, /lack tokenizer.ggml.pre/],
    [
      "a special token outside the vocabulary",
      { "tokenizer.ggml.eos_token_id": count(9999) },
      /eos_token_id is 9999, but there are/,
    ],
    [
      "a wrong number of token types",
      { "tokenizer.ggml.token_type": { type: "array", of: "int32", values: [1] } },
      /token_type has 1 entries/,
    ],
    [
      "a merge of three tokens",
      { "tokenizer.ggml.merges": { type: "array", of: "string", values: ["a b c"] } },
      /merges has "a b c"; expected two tokens/,
    ],
    ["an adapter", { "general.type": text("adapter") }, /does not hold a model: its general.type is "adapter"/],
    [
      "more tokens than embeddings",
      { "tokenizer.ggml.tokens": { type: "array", of: "string", values: Array(999).fill("x") } },
      /tokens has 999 entries, but 'token_embd.weight' has \d+ rows/,
    ],
    [
      "a reranker's pooling without a classifier",
      { "llama.pooling_type": count(4) },
      /llama.pooling_type is 4 \(rank\), which a model without a classifier does not have; expected 1 \(mean\), 2/,
    ],
    [
      "an unknown pooling",
      { "llama.pooling_type": count(5) },
      /llama.pooling_type is 5; expected 1 \(mean\), 2 \(cls\)/,
    ],
    ["part of a split model", { "split.count": count(2) }, /one of 2 parts of a model/],
    [
      "no heads",
      { "llama.attention.head_count": count(0) },
      /smollm.gguf: llama.attention.head_count must be at least 1/,
    ],
    [
      "heads that don't share keys evenly",
      { "llama.attention.head_count_kv": count(3) },
      /llama.attention.head_count is 4, which is not a multiple of llama.attention.head_count_kv \(3\)/,
    ],
    [
      "a width that heads don't share evenly",
      { "llama.attention.head_count": count(5), "llama.rope.dimension_count": undefined },
      /llama.embedding_length is 32, which is not a multiple of llama.attention.head_count \(5\)/,
    ],
    [
      "heads of odd size",
      { "llama.attention.key_length": count(7), "llama.rope.dimension_count": count(7) },
      /its heads have 7 dimensions; expected an even number above 0/,
    ],
    [
      "more layers than it holds",
      { "llama.block_count": count(3) },
      /llama.block_count is 3, but the file has tensors of 2 layers/,
    ],
    ["a base of RoPE of 0", { "llama.rope.freq_base": number(0) }, /llama.rope.freq_base must be above 0, but is 0/],
    [
      "a factor of RoPE below 0",
      { "llama.rope.scaling.factor": number(-1) },
      /llama.rope.scaling.factor must be above 0, but is -1/,
    ],
    [
      "a negative epsilon",
      { "llama.attention.layer_norm_rms_epsilon": number(-1) },
      /llama.attention.layer_norm_rms_epsilon must be at least 0, but is -1/,
    ],
  ])("refuses %s", async (_, changes, message) => {
    await expect(resolveModel(changed("smollm", changes))).rejects.toThrow(message);
    expect(readdirSync(cache).flatMap((name) => readdirSync(join(cache, name, "gguf")))).toEqual([]);
  });

  it("refuses tensors that the model doesn't have, and biases in only some layers", async () => {
    const odd = await resolveModel(changed("smollm", {}, ["blk.0.ffn_gate_exps.weight"]));
    expect(() => openCheckpoint(odd)).toThrow(
      /'blk.0.ffn_gate_exps.weight' is not part of a llama model with 2 layers/,
    );
    const deep = await resolveModel(changed("smollm", {}, ["blk.2.attn_norm.weight"]));
    expect(() => openCheckpoint(deep)).toThrow(/'blk.2.attn_norm.weight' is not part of/);
    await expect(resolveModel(changed("smollm", {}, ["blk.0.attn_q.bias"]))).rejects.toThrow(
      /biases only for attn_q of/,
    );
    await expect(resolveModel(changed("smollm", {}, ["blk.1.attn_q.bias"]))).rejects.toThrow(
      /biases only for attn_q of/,
    );
    await expect(resolveModel(changed("qwen2", {}, ["blk.0.attn_output.bias"]))).rejects.toThrow(
      /biases for attn_output, but a qwen2 model has none there/,
    );
  });

  it("refuses RoPE factors that don't fit Llama 3's scaling", async () => {
    await expect(resolveModel(changed("llama3", {}))).rejects.toThrow(
      /rope_freqs.weight' holds factors that don't fit/,
    );
    const both = changed("llama3", { "llama.rope.scaling.factor": number(4) });
    await expect(resolveModel(both)).rejects.toThrow(
      /rope.scaling is combined with the factors in tensor 'rope_freqs.weight'/,
    );
  });

  it("refuses part of a split model by its file name", async () => {
    const path = join(folder(), "x-00001-of-00003.gguf");
    copyFileSync(golden("smollm.gguf"), path);
    await expect(resolveModel(path)).rejects.toThrow(/one of 3 parts of a model.*llama-gguf-split --merge/);
  });

  it("refuses a revision", async () => {
    await expect(resolveModel(golden("smollm.gguf"), { revision: "main" })).rejects.toThrow(/is a file; leave it out/);
  });
});

describe("messages about a model in a GGUF file", () => {
  const load = async (path: string) => {
    const options = { head: TASKS["causal-lm"].head, outputs: 0, dtype: "float32" } as const;
    return loadModel(await resolveModel(path), { ...options, generator: new torch.Generator(0) });
  };

  it("name the file and its own tensor, not the folder that was made of it", async () => {
    const path = changed("smollm", { "llama.feed_forward_length": count(80) });
    await expect(load(path)).rejects.toThrow(
      /^Tensor blk.0.ffn_gate.weight in \/.*smollm.gguf has shape \[64, 32\], but the file's header requires \[80, 32\]\.$/,
    );
    const { refusals, path: shown } = (await inspect({ path })) as ModelInspection;
    expect(shown).toBe(path);
    expect(refusals).toContain("blk.0.ffn_gate.weight has shape [64, 32], but the file's header requires [80, 32].");
    await expect(load(changed("smollm", {}, ["blk.0.ffn_gate_exps.weight"]))).rejects.toThrow(
      /^\/.*smollm.gguf: tensor 'blk.0.ffn_gate_exps.weight' is not part of a llama model with 2 layers/,
    );
  });
});

describe("the model folder of a GGUF file", () => {
  const copy = () => {
    const path = join(folder(), "m.gguf");
    copyFileSync(golden("smollm.gguf"), path);
    return path;
  };

  it("is created once, also for a symbolic link to the file", async () => {
    const path = copy();
    const first = await resolveModel(path);
    const link = join(folder(), "m.gguf");
    symlinkSync(path, link);
    writeFileSync(join(first, "mark"), "");
    expect(await resolveModel(path)).toBe(first);
    expect(await resolveModel(link)).toBe(first);
    expect(readdirSync(first)).toContain("mark");
  });

  it("is a new one if the file has changed", async () => {
    const path = copy();
    const first = await resolveModel(path);
    utimesSync(path, new Date(), new Date(1e12));
    const second = await resolveModel(path);
    expect(second).not.toBe(first);
    expect(() => openCheckpoint(first)).toThrow(
      /m.gguf: the file has changed since .* pass the GGUF file itself as the model/,
    );
    openCheckpoint(second).close();
  });

  it("reports a file that has grown or is gone", async () => {
    const path = copy();
    const where = await resolveModel(path);
    appendFileSync(path, "x");
    expect(() => openCheckpoint(where)).toThrow(/the file has changed/);
    rmSync(path);
    expect(() => openCheckpoint(where)).toThrow(/m.gguf: the file no longer exists: pass the GGUF file/);
  });

  it("is removed when another is made, if it was not used for a month, or for a day if its file is gone or has changed", async () => {
    const ages = { old: 31, used: 31, recent: 29, gone: 2, changed: 2, goneToday: 0.5 };
    const made = new Map<string, string>();
    for (const [name, days] of Object.entries(ages)) {
      const path = copy();
      const where = await resolveModel(path);
      made.set(name, where);
      const before = new Date(Date.now() - days * 86_400_000);
      utimesSync(where, before, before);
      if (name === "used") await resolveModel(path);
      if (name.startsWith("gone")) rmSync(path);
      if (name === "changed") appendFileSync(path, "x");
    }
    const other = await resolveModel(copy());
    const left = readdirSync(dirname(other)).map((name) => join(dirname(other), name));
    expect(left.sort()).toEqual([other, ...["used", "recent", "goneToday"].map((name) => made.get(name))].sort());
  });

  it("stays if it can't be removed, and the command goes on", async () => {
    const old = await resolveModel(copy());
    utimesSync(old, new Date(0), new Date(0));
    kept.path = old;
    const made = await resolveModel(copy());
    expect(readdirSync(dirname(made))).toHaveLength(2);
    kept.path = "";
  });

  it("is not found in the folder that holds the GGUF file", async () => {
    const where = folder();
    copyFileSync(golden("smollm.gguf"), join(where, "m.gguf"));
    expect(() => openCheckpoint(where)).toThrow(/no config.json; pass the file .*m.gguf itself as the model/);
    writeFileSync(join(where, "config.json"), "{}");
    expect(() => openCheckpoint(where)).toThrow(/it has m.gguf, which holds a whole model: pass that file/);
  });
});

const yes: GgufValue = { type: "bool", value: true };
const no: GgufValue = { type: "bool", value: false };
const torchName = (dtype: string) => ({ F32: "float32", F16: "float16", BF16: "bfloat16" })[dtype];

function withoutNull(config: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(Object.entries(config).filter(([, value]) => value !== null));
}

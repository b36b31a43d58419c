import { spawnSync } from "node:child_process";
import { cpSync, existsSync, mkdirSync, mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { UsageError } from "../../src/base/errors.js";
import { loadTokenizer } from "../../src/text/index.js";

const golden = fileURLToPath(new URL("../golden/text", import.meta.url));
const vocabularies = fileURLToPath(new URL("../../../shared/data/tokenizers", import.meta.url));

function folder(files: Record<string, unknown>): string {
  const path = mkdtempSync(join(tmpdir(), "bidora-text-"));
  for (const [name, content] of Object.entries(files)) {
    writeFileSync(join(path, name), typeof content === "string" ? content : JSON.stringify(content));
  }
  return path;
}

const vocab = "[PAD]\n[UNK]\n[CLS]\n[SEP]\n[MASK]\na\n";

describe("the files of a folder", () => {
  it("set the length limit, padding token, model inputs and file list", async () => {
    const cased = await loadTokenizer(`${golden}/bert-cased`);
    expect([cased.modelMaxLength, cased.padTokenId]).toEqual([12, 0]);
    expect(cased.modelInputNames).toContain("token_type_ids");
    expect(cased.files()).toEqual(["tokenizer_config.json", "vocab.txt"]);
    const roberta = await loadTokenizer(`${golden}/roberta-fast`);
    expect([roberta.modelMaxLength, roberta.padTokenId]).toEqual([undefined, 1]);
    expect(roberta.modelInputNames).toEqual(["input_ids", "attention_mask"]);
    const named = await loadTokenizer(
      folder({ "vocab.txt": vocab, "tokenizer_config.json": { model_input_names: ["x"] } }),
    );
    expect(named.modelInputNames).toEqual(["x"]);
  });

  it("name the end-of-text token, which else is the default of the class", async () => {
    const vocabulary = { "vocab.json": { "<|endoftext|>": 0, a: 1 }, "merges.txt": "" };
    const gpt2 = await loadTokenizer(folder({ ...vocabulary, "config.json": { model_type: "gpt2" } }));
    expect([gpt2.eosTokenId, await gpt2.decode([1])]).toEqual([0, "a"]);
    const named = { eos_token: "a", tokenizer_class: "GPT2Tokenizer" };
    expect((await loadTokenizer(folder({ ...vocabulary, "tokenizer_config.json": named }))).eosTokenId).toBe(1);
  });

  it("override tokenizer.json by tokenizer_config.json", async () => {
    const path = folder({ "tokenizer_config.json": { tokenizer_class: "BertTokenizer", do_lower_case: false } });
    cpSync(`${golden}/bert-uncased-fast/tokenizer.json`, join(path, "tokenizer.json"));
    const [lower, cased] = [await loadTokenizer(`${golden}/bert-uncased-fast`), await loadTokenizer(path)];
    expect(await lower.encode(["THE"])).toEqual(await lower.encode(["the"]));
    expect(await cased.encode(["THE"])).not.toEqual(await cased.encode(["the"]));
  });

  it("may add tokens", async () => {
    const added = { 5: { content: "a", special: true }, 6: { content: "<e>", lstrip: true, special: true } };
    const path = folder({ "vocab.txt": vocab, "tokenizer_config.json": { added_tokens_decoder: added } });
    expect((await (await loadTokenizer(path)).encode(["b <e>"])).inputIds).toEqual([2, 1, 6, 3]);
  });
});

it("concurrent batches keep their maximum lengths", async () => {
  const tokenizer = await loadTokenizer(`${golden}/bert-uncased`);
  const lengths = [5, 9, 6, 8, 7];
  const all = await Promise.all(
    lengths.map((maxLength) => tokenizer.encode(["the cat sat on the mat while"], { maxLength })),
  );
  expect(all.map((encoded) => encoded.inputIds.length)).toEqual(lengths);
});

it("a maximum length without room for text is refused", async () => {
  const tokenizer = await loadTokenizer(`${golden}/bert-uncased`);
  expect((await tokenizer.encode(["a"], { maxLength: 3 })).inputIds.length).toBe(3);
  await expect(tokenizer.encode(["a"], { maxLength: 2 })).rejects.toThrow(UsageError);
  await expect(tokenizer.encode(["a", "b"], { maxLength: 3 })).rejects.toThrow("above 3");
  await expect(tokenizer.encodeWords(["a"], { maxLength: 4.5 })).rejects.toThrow("whole number");
});

it("folders without a valid tokenizer are refused in one sentence", async () => {
  await expect(loadTokenizer("/no/such/folder")).rejects.toThrow("There is no folder /no/such/folder");
  await expect(loadTokenizer(folder({ "config.json": {} }))).rejects.toThrow("has no tokenizer");
  await expect(loadTokenizer(folder({ "tokenizer.json": "{" }))).rejects.toThrow("tokenizer.json is not valid JSON");
  await expect(loadTokenizer(folder({ "tokenizer.json": {} }))).rejects.toThrow("is broken");
  const japanese = folder({
    "vocab.txt": vocab,
    "tokenizer_config.json": { tokenizer_class: "BertJapaneseTokenizer" },
  });
  await expect(loadTokenizer(japanese)).rejects.toThrow(
    "a vocab.txt for BertJapaneseTokenizer, which is not BERT's WordPiece",
  );
  const files = { "vocab.json": { a: 0, b: 1 }, "merges.txt": "a b\n" };
  for (const [kind, config] of [
    ["camembert", { "config.json": { model_type: "camembert" } }],
    ["LlamaTokenizer", { "tokenizer_config.json": { tokenizer_class: "LlamaTokenizerFast" } }],
  ] as const) {
    await expect(loadTokenizer(folder({ ...files, ...config }))).rejects.toThrow(
      `a vocab.json for ${kind}, which is not the byte-level BPE of RoBERTa, GPT-2 or Qwen; a tokenizer.json is needed`,
    );
  }
  const layout = folder({ "vocab.txt": vocab, "config.json": { model_type: "layoutlmv2" } });
  await expect(loadTokenizer(layout)).rejects.toThrow("a vocab.txt for layoutlmv2, which is not BERT's WordPiece");
  const merges = folder({ "vocab.json": { a: 0, b: 1 }, "merges.txt": "#version: 0.2\na b c\n" });
  await expect(loadTokenizer(merges)).rejects.toThrow("merges.txt line 2");
});

it("Llama's legacy setting puts a space after special tokens", async () => {
  const after = async (name: string) => {
    const tokenizer = await loadTokenizer(`${golden}/${name}`);
    return (await tokenizer.tokensOf(["</s>a"]))[0]?.ids.map((id) => tokenizer.tokenText(id));
  };
  // From transformers 5.24.
  expect(await after("llama")).toEqual(["</s>", "a"]);
  expect(await after("llama-legacy")).toEqual(["</s>", "▁", "a"]);
});

describe("tokens that tokenizer.json lacks", () => {
  const flags = { special: true, single_word: false, lstrip: false, rstrip: false, normalized: false };
  const spec = {
    added_tokens: [{ id: 3, content: "<e>", ...flags }],
    model: { type: "WordLevel", vocab: { "<u>": 0, a: 1, "</s>": 2 }, unk_token: "<u>" },
    pre_tokenizer: { type: "Whitespace" },
  };

  it("are matched in texts, and get ids after all others if they are new", async () => {
    const config = {
      tokenizer_class: "PreTrainedTokenizerFast",
      eos_token: "</s>",
      pad_token: "<pad>",
      additional_special_tokens: ["<tool>", "<e>"],
    };
    const tokenizer = await loadTokenizer(folder({ "tokenizer.json": spec, "tokenizer_config.json": config }));
    const [tokens] = await tokenizer.tokensOf(["a<tool></s><pad><e>"]);
    expect(tokens?.ids).toEqual([1, 5, 2, 4, 3]);
    expect([tokenizer.padTokenId, tokenizer.size]).toEqual([4, 6]);
  });

  it("have the roles of special_tokens_map.json first, unless added_tokens_decoder is complete", async () => {
    const config = { tokenizer_class: "PreTrainedTokenizerFast", eos_token: "</s>", pad_token: "<e>" };
    const eosWith = async (more: object) => {
      const files = { "tokenizer.json": spec, "special_tokens_map.json": { eos_token: "<e>" } };
      return (await loadTokenizer(folder({ ...files, "tokenizer_config.json": { ...config, ...more } }))).eosTokenId;
    };
    expect([await eosWith({}), await eosWith({ added_tokens_decoder: {} })]).toEqual([3, 2]);
  });

  it("are refused together with split_special_tokens", async () => {
    const path = folder({ "tokenizer.json": spec, "tokenizer_config.json": { split_special_tokens: true } });
    await expect(loadTokenizer(path)).rejects.toThrow(/has split_special_tokens.*not supported: remove it/);
  });
});

it.each(["tokenizer.json", "tokenizer_config.json", "vocab.txt"])("a pipe called %s is refused", async (name) => {
  const path = folder(name === "vocab.txt" ? {} : { "vocab.txt": vocab });
  spawnSync("mkfifo", [join(path, name)]);
  await expect(loadTokenizer(path)).rejects.toThrow(`${join(path, name)} is a pipe`);
});

describe.skipIf(!existsSync(vocabularies))("published vocabularies", () => {
  it("BERT's", async () => {
    const tokenizer = await loadTokenizer(`${vocabularies}/bert-base-uncased`);
    const { inputIds: ids, tokenTypeIds: typeIds } = await tokenizer.encode(["Hello world", "b <mask> [SEP] c"]);
    expect(ids).toEqual([101, 7592, 2088, 102, 1038, 1026, 7308, 1028, 102, 1039, 102]);
    expect(typeIds).toEqual([0, 0, 0, 0, 1, 1, 1, 1, 1, 1, 1]);
  });

  it("RoBERTa's", async () => {
    const tokenizer = await loadTokenizer(`${vocabularies}/roberta`);
    const { inputIds: ids } = await tokenizer.encode(["Hello world", "b <mask> [SEP] c"]);
    expect(ids).toEqual([0, 31414, 232, 2, 2, 428, 1437, 50264, 646, 3388, 510, 742, 740, 2]);
  });

  it("GPT-2's", async () => {
    const path = folder({});
    mkdirSync(path, { recursive: true });
    cpSync(`${vocabularies}/gpt2/encoder.json`, join(path, "vocab.json"));
    cpSync(`${vocabularies}/gpt2/vocab.bpe`, join(path, "merges.txt"));
    const tokenizer = await loadTokenizer(path);
    const { inputIds: ids } = await tokenizer.encode(["Hello world", "b <mask> [SEP] c"]);
    expect(ids).toEqual([15496, 995, 65, 1279, 27932, 29, 685, 5188, 47, 60, 269]);
    expect(tokenizer.padTokenId).toBeUndefined();
  });
});

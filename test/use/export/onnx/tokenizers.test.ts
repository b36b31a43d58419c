/** Exported tokenizers in transformers.js, beside bidora's own. */
import { cpSync, mkdirSync, rmSync, writeFileSync } from "node:fs";
import { basename, join } from "node:path";
import { AutoTokenizer, env, type Tensor } from "@huggingface/transformers";
import { beforeAll, expect, test } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import type { JsonObject } from "../../../../src/base/records/json.js";
import { type Encoded, loadTokenizer, TOKENIZER_FILES } from "../../../../src/text/index.js";
import { GOLDEN, readJson } from "../../../parity/goldenFiles.js";
import { freshPath } from "../../../support/workFolder.js";

const models = freshPath("models");

beforeAll(() => {
  mkdirSync(models);
  Object.assign(env, { allowRemoteModels: false, localModelPath: models });
});

/** A golden model with other files of a tokenizer. */
function modelWith(checkpoint: string, tokenizer: string): string {
  const folder = freshPath("model");
  cpSync(join(GOLDEN, checkpoint), folder, { recursive: true });
  for (const name of TOKENIZER_FILES) rmSync(join(folder, name), { force: true });
  const config = join(folder, "config.json");
  const own = readJson<JsonObject>(config);
  cpSync(join(GOLDEN, tokenizer), folder, { recursive: true });
  writeFileSync(config, JSON.stringify(own));
  return folder;
}

/** A golden model whose tokenizer.json is changed. */
function changed(checkpoint: string, change: (tokenizer: JsonObject) => JsonObject): string {
  const folder = freshPath("model");
  cpSync(join(GOLDEN, checkpoint), folder, { recursive: true });
  const path = join(folder, "tokenizer.json");
  writeFileSync(path, JSON.stringify(change(readJson(path))));
  return folder;
}

/** Expects the ids of single texts and pairs. @param givesTypes whether to expect the token types too */
async function expectSame(model: string, rows: readonly (readonly [string, string?])[], givesTypes = false) {
  const output = join(models, basename(model));
  await exportModel({ model, to: "onnx", output });
  const theirs = await AutoTokenizer.from_pretrained(basename(output));
  for (const folder of [model, output]) {
    const own = await (await loadTokenizer(folder)).encodeBatch(rows as readonly [string, string][], {});
    for (const [i, [text, pair]] of rows.entries()) {
      const found = theirs(text, pair === undefined ? {} : { text_pair: pair });
      const { inputIds, tokenTypeIds } = own[i] as Encoded;
      expect(numbersOf(found.input_ids as Tensor), text).toEqual(inputIds);
      if (givesTypes) expect(numbersOf(found.token_type_ids as Tensor), text).toEqual(tokenTypeIds);
    }
  }
}

const numbersOf = ({ data }: Tensor): number[] => Array.from(data as BigInt64Array, Number);

const ROWS: [string, string?][] = [["the cat sat"], ["no"], ["the cat", "sat on the mat"]];

test("the second text of a pair follows the first, without a template", async () => {
  await expectSame(modelWith("llama/lm", "chat/tokenizers/byte-level"), ROWS);
});

test("the texts of a pair have token types without a post-processor", async () => {
  const model = changed("bert/single", (tokenizer) => ({ ...tokenizer, post_processor: null }));
  await expectSame(model, ROWS, true);
});

test("vocab.txt of proteins: letters that are not in it are unknown", async () => {
  await expectSame(modelWith("esm/single", "text/esm"), [["MKV"], ["MJKV jjj M<mask>K"], ["MKV", "JAL"]]);
});

test("words that a WordLevel tokenizer does not have are unknown", async () => {
  const model = changed("bert/single", (tokenizer) => {
    const { vocab } = tokenizer.model as JsonObject;
    return { ...tokenizer, model: { type: "WordLevel", vocab, unk_token: "[UNK]" } } as JsonObject;
  });
  writeFileSync(join(model, "tokenizer_config.json"), JSON.stringify({ pad_token: "[PAD]" }));
  await expectSame(model, [["the cat sats"], ["theme the", "catsup"], ["x".repeat(200)]]);
});

test.each([
  { type: "Whitespace" },
  { type: "Sequence", pretokenizers: [{ type: "Whitespace" }, { type: "Digits", individual_digits: true }] },
])("letters of all scripts belong to words: $type", async (pre_tokenizer) => {
  const model = changed("bert/single", (tokenizer) => ({ ...tokenizer, pre_tokenizer, normalizer: null }));
  const texts = [
    "stra\u00dfe na\u00efve",
    "the \u0441\u0430t 12",
    "a\u0301b_c-d...!",
    "\u65e5\u672c\u8a9e the",
    "a\u00a0b\u0085c\u200dd",
  ];
  await expectSame(
    model,
    texts.map((text) => [text]),
  );
});

const GENERATION = `{%- for message in messages %}
    {{- message.role + ':\\n' }}
    {% generation %}
    {{- message.content }}
    {% endgeneration %}
    {{- 'the end' if loop.last else '' }}
{%- endfor %}`;

test.each([
  ["one", GENERATION],
  ["several", [{ name: "default", template: GENERATION }]],
])("white space around a generation block is kept: %s", async (_, chat_template) => {
  const model = changed("llama/lm", (tokenizer) => tokenizer);
  writeFileSync(join(model, "tokenizer_config.json"), JSON.stringify({ eos_token: "[SEP]", chat_template }));
  const output = join(models, basename(model));
  await exportModel({ model, to: "onnx", output });
  const messages = [{ role: "user" as const, content: "hi" }];
  const theirs = await AutoTokenizer.from_pretrained(basename(output));
  const { text } = (await loadTokenizer(model)).chatTemplate().render(messages, { addGenerationPrompt: false });
  expect(theirs.apply_chat_template(messages, { tokenize: false, add_generation_prompt: false })).toBe(text);
});

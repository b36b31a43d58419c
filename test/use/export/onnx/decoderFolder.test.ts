/** What an exported decoder's folder has besides its graphs. */
import { cpSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { exportModel } from "../../../../src/app/commands/models/export.js";
import { load } from "../../../../src/app/commands/models/load.js";
import type { JsonObject } from "../../../../src/base/records/json.js";
import { modelInput } from "../../../../src/models/index.js";
import { EVALUATION } from "../../../../src/models/nn/index.js";
import { GOLDEN, readJson } from "../../../parity/goldenFiles.js";
import { openModel } from "../../../parity/support/adapted.js";
import { freshPath } from "../../../support/workFolder.js";
import { tinyModel } from "../gguf/tinyModels.js";
import { distance, OnnxModel, SIDES } from "./onnxModel.js";
import { answerTo } from "./transformersJs.js";

function copyOf(source: string, files: Readonly<Record<string, string>> = {}): string {
  const folder = freshPath("model");
  cpSync(join(GOLDEN, source), folder, { recursive: true });
  for (const [name, text] of Object.entries(files)) writeFileSync(join(folder, name), text);
  return folder;
}

async function exported(model: string) {
  const output = freshPath("onnx");
  const { notes } = await exportModel({ model, to: "onnx", output });
  const read = (name: string) => readJson<JsonObject>(join(output, name));
  return { output, notes, read };
}

it("the chat template stands in tokenizer_config.json", async () => {
  const template = "{% for message in messages %}{{ message.content }}{% endfor %}";
  const { read } = await exported(copyOf("llama/lm", { "chat_template.jinja": template }));
  expect(read("tokenizer_config.json").chat_template).toBe(template);
});

it.each(["smollm", "qwen2", "llama3"] as const)(
  "transformers.js's pipeline answers a conversation as we do: %s",
  async (name) => {
    const config = { model_type: "llama", architectures: ["LlamaForCausalLM"], max_position_embeddings: 512 };
    const model = tinyModel(freshPath("model"), name, config);
    const template =
      "{% for m in messages %}{{ m.role }} : {{ m.content }}{% endfor %}{% if add_generation_prompt %} assistant :{% endif %}";
    writeFileSync(join(model, "chat_template.jinja"), template);
    const { output } = await exported(model);
    const text = "What is the capital of France?";
    await using own = await load({ model, dtype: "float32" });
    const expected = await own.generate([{ role: "user", content: text }], { maxNewTokens: 16 });
    expect((await answerTo(output, text, 16)).trim()).toBe(expected.text.trim());
  },
);

it("named templates stay as they are", async () => {
  const settings = readJson<JsonObject>(join(GOLDEN, "llama/lm/tokenizer_config.json"));
  const chat_template = [
    { name: "default", template: "a" },
    { name: "tool_use", template: "b" },
  ];
  const model = copyOf("llama/lm", { "tokenizer_config.json": JSON.stringify({ ...settings, chat_template }) });
  expect((await exported(model)).read("tokenizer_config.json").chat_template).toEqual(chat_template);
});

it("generation_config.json is the model's, with the special tokens of config.json", async () => {
  const model = copyOf("llama/lm", { "generation_config.json": JSON.stringify({ top_k: 7, eos_token_id: [3, 5] }) });
  const { read } = await exported(model);
  expect(read("generation_config.json")).toEqual({ top_k: 7, eos_token_id: [3, 5], bos_token_id: 2, pad_token_id: 0 });
  rmSync(join(model, "generation_config.json"));
  const without = (await exported(model)).read("generation_config.json");
  expect(without).toEqual({ eos_token_id: 3, bos_token_id: 2, pad_token_id: 0 });
});

it("config.json has the sizes of the cache, also those that the model's leaves to their defaults", async () => {
  const {
    num_key_value_heads: _,
    head_dim: __,
    ...config
  } = readJson<JsonObject>(join(GOLDEN, "qwen2/lm/config.json"));
  const model = copyOf("qwen2/lm", { "config.json": JSON.stringify({ ...config, num_key_value_heads: 2 }) });
  const { read } = await exported(model);
  expect(read("config.json")).toMatchObject({ num_key_value_heads: 2, head_dim: 6 });
});

it("a classifying decoder is for onnxruntime alone, which export says", async () => {
  expect((await exported(join(GOLDEN, "qwen2/single"))).notes).toEqual([
    "transformers.js has no Qwen2ForSequenceClassification: run the graph with onnxruntime itself, which gives logits.",
  ]);
  expect((await exported(join(GOLDEN, "llama/lm"))).notes).toEqual([]);
});

it("export says at which length the cache of a longrope model is of no use", async () => {
  const { notes } = await exported(join(GOLDEN, "phi3/lm"));
  expect(notes).toEqual([expect.stringMatching(/frequencies for rows of more than 48 tokens.*empty cache/)]);
});

it("a classifying decoder reads the last token that is not the padding token, also if the text has it", async () => {
  const { output } = await exported(join(GOLDEN, "llama/single"));
  const model = await OnnxModel.open(output);
  const own = await openModel("llama", "single");
  const rows = [[5, 9, 0, 8, 0, 0], [0, 0], [7], [0, 4, 6, 3]].map((inputIds) => ({
    inputIds,
    tokenTypeIds: inputIds.map(() => 0),
  }));
  const expected = [...own.forward(modelInput(rows), EVALUATION).toArray()];
  for (const side of SIDES) {
    const { logits } = await model.run(rows, side);
    expect(distance([...(logits!.data as Float32Array)], expected), side).toBeLessThan(1e-4);
  }
});

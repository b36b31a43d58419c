import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test, vi } from "vitest";
import * as adapterFiles from "../../../src/models/adapters/peft/adapterFolder.js";
import * as generation from "../../../src/models/generation/generateTexts.js";
import * as models from "../../../src/models/loading/loadModel.js";
import { loadTokenizer } from "../../../src/text/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { GOLDEN } from "../../parity/goldenFiles.js";
import { toolModel } from "../server/toolModels.js";
import { openGenerator } from "./openGenerator.js";

vi.mock("../../../src/models/adapters/peft/adapterFolder.js", { spy: true });
vi.mock("../../../src/models/loading/loadModel.js", { spy: true });
vi.mock("../../../src/models/generation/generateTexts.js", { spy: true });

const newFolder = temporaryFolders();
const model = join(GOLDEN, "llama/lm");
const adapter = join(GOLDEN, "llama/adapters/lm-lora");

test("an adapter's files are read once, and no weights for settings that are refused", async () => {
  await expect(openGenerator({ model, adapter, lengthPenalty: 2 })).rejects.toThrow(/--length-penalty/);
  expect(vi.mocked(models.loadModel)).not.toHaveBeenCalled();
  vi.mocked(adapterFiles.readAdapter).mockClear();
  const generator = await openGenerator({ model, adapter, maxNewTokens: 2 });
  expect(vi.mocked(adapterFiles.readAdapter)).toHaveBeenCalledTimes(1);
  const rows = [];
  for await (const { tokens } of generator.rows(["a word"])) rows.push(tokens);
  expect(rows.map(({ length }) => length)).toEqual([2]);
});

test("texts do not depend on the batch size", async () => {
  const tokens = async (batchSize: number): Promise<(readonly number[])[]> => {
    const generator = await openGenerator({ model, maxNewTokens: 3, batchSize });
    const rows = [];
    for await (const row of generator.rows(["a word", "another", "one more"])) rows.push(row.tokens);
    return rows;
  };
  expect(await tokens(2)).toEqual(await tokens(1));
});

test("batches have the requested size", async () => {
  const generator = await openGenerator({ model, maxNewTokens: 1, batchSize: 3 });
  vi.mocked(generation.generateBatch).mockClear();
  const rows: string[] = [];
  for await (const { prompt } of generator.rows(["a", "b", "c", "d"])) rows.push(prompt);
  expect(rows).toEqual(["a", "b", "c", "d"]);
  expect(vi.mocked(generation.generateBatch).mock.calls.map(([, prompts]) => prompts.length)).toEqual([3, 1]);
});

test("a prompt with a token that the tokenizer's settings add, and the model has no vector for, is refused by its number", async () => {
  const folder = join(newFolder(), "model");
  cpSync(model, folder, { recursive: true });
  const path = join(folder, "tokenizer_config.json");
  const settings = JSON.parse(readFileSync(path, "utf8")) as object;
  writeFileSync(path, JSON.stringify({ ...settings, pad_token: "<new>" }));
  const generator = await openGenerator({ model: folder, maxNewTokens: 2 });
  const all = async (prompt: string) => {
    for await (const _ of generator.rows(["a word", prompt]));
  };
  await all("another");
  await expect(all("a <new> word")).rejects.toThrow(
    /^Prompt 2: the tokenizer gives the token id \d+, but the model has \d+ tokens/,
  );
});

test("half of a surrogate pair in a prompt, a message or a stop string is refused", async () => {
  const half = /has a lone surrogate/;
  await expect(openGenerator({ model, stop: ["a\ud83d"] })).rejects.toThrow(half);
  const generator = await openGenerator({ model, maxNewTokens: 2 });
  await expect(generator.stream("\ude00").next()).rejects.toThrow(half);
  await expect(generator.rows(["a word", "a \ud83d"]).next()).rejects.toThrow(/^Prompt 2: .*has a lone surrogate/);
});

test("a stop string with a special token and more is refused, from a flag and from the model, but not with a mark of calls", async () => {
  const never = /is never found, since texts are without the special token \S+: give that token alone\.$/;
  const other = toolModel("mistral");
  await expect(openGenerator({ model: other, stop: ["x<other>"] })).rejects.toThrow(never);
  const path = join(other, "tokenizer.json");
  writeFileSync(path, readFileSync(path, "utf8").replaceAll("<other>", "[TOOL_CALLS]"));
  await openGenerator({ model: other, stop: ["x[TOOL_CALLS]"] });
  writeFileSync(join(other, "generation_config.json"), JSON.stringify({ stop_strings: ["<end>\n"] }));
  await expect(openGenerator({ model: other })).rejects.toThrow(never);
  await openGenerator({ model: other, stop: ["<end>", "a"] });
});

test("texts are what the tokenizer decodes from their tokens, invalid bytes included, and pieces add up to them", async () => {
  const folder = join(newFolder(), "model");
  cpSync(join(GOLDEN, "generation/llama"), folder, { recursive: true });
  for (const file of ["tokenizer.json", "tokenizer_config.json"])
    cpSync(join(GOLDEN, "chat/tokenizers/sentence-piece", file), join(folder, file));
  const tokenizer = await loadTokenizer(folder);
  const generator = await openGenerator({ model: folder, maxNewTokens: 24, temperature: 5, topK: 0, seed: 1 });
  const texts: string[] = [];
  for await (const { text, tokens } of generator.rows(["a", "b", "c", "d"])) {
    texts.push(text);
    expect(text).toBe(await tokenizer.decode(tokens));
    let joined = "";
    for await (const piece of generator.stream("abcd"[texts.length - 1] as string, { stream: texts.length - 1 }))
      joined += piece.text;
    expect(joined).toBe(text);
  }
  expect(texts.every((text) => text.includes("\ufffd\ufffd"))).toBe(true);
});

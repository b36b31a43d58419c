// generation_config.json: a language model that bidora writes generates by the settings of the model that it was made of.
import { cpSync, existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { generate } from "../../../src/app/commands/models/generate.js";
import { merge } from "../../../src/app/commands/models/merge.js";
import type { GenerateSettings } from "../../../src/tasks/config/index.js";
import { fresh, GOLDEN, ROWS, run } from "../support.js";

const CONFIG = "generation_config.json";
const LANGUAGE = { task: "causal-lm", train: join(ROWS, "language.jsonl"), textColumns: ["sentence"] } as const;

/** A language model with settings of generation. */
function modelWith(settings: object): string {
  const folder = fresh("language-model");
  cpSync(join(GOLDEN, "llama", "lm"), folder, { recursive: true });
  writeFileSync(join(folder, CONFIG), JSON.stringify(settings));
  return folder;
}

async function textOf(settings: GenerateSettings): Promise<string> {
  for await (const { text } of generate({ ...settings, dtype: "float32", prompt: "the", maxNewTokens: 12 }))
    return text;
  throw new Error("no text");
}

const readConfig = (folder: string): string => readFileSync(join(folder, CONFIG), "utf8");

test("a merged model generates as its base with the adapter", async () => {
  const adapter = join(GOLDEN, "llama", "adapters", "lm-dora");
  const plain = await textOf({ model: modelWith({}), adapter });
  const model = modelWith({ suppress_tokens: [5, 6, 7, 8, 9, 10, 11, 12], repetition_penalty: 5 });
  const output = fresh("merged");
  await merge({ model, adapter, output });
  expect(readConfig(output)).toBe(readConfig(model));
  const merged = await textOf({ model: output });
  expect(merged).toBe(await textOf({ model, adapter }));
  expect(merged).not.toBe(plain);
});

test("a model of which all weights were trained keeps it, and --overwrite removes it", async () => {
  const model = modelWith({ stop_strings: ["x"], eos_token_id: [3, 4] });
  const { output } = await run({ ...LANGUAGE, model, method: "full", maxSteps: 1 });
  expect(readConfig(output)).toBe(readConfig(model));
  await run({ ...LANGUAGE, model, method: "lora", maxSteps: 1, output, overwrite: true });
  expect(existsSync(join(output, CONFIG))).toBe(false);
});

test("a model of a GGUF file has that file's end tokens", async () => {
  const model = join(GOLDEN, "io", "gguf", "smollm.gguf");
  const { output } = await run({ ...LANGUAGE, model, method: "full", maxSteps: 1 });
  expect(JSON.parse(readConfig(output))).toEqual({ eos_token_id: expect.arrayContaining([expect.any(Number)]) });
});

test("a merged classifier has none", async () => {
  const output = fresh("merged");
  const [model, adapter] = [join(GOLDEN, "llama", "single"), join(GOLDEN, "llama", "adapters", "lora")];
  await merge({ model, adapter, output });
  expect(existsSync(join(output, CONFIG))).toBe(false);
});

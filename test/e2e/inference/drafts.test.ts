// `--draft` of generate and of an open model: the same texts, and what is refused.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { load } from "../../../src/app/commands/models/load.js";
import { liveHandles } from "../../../src/torch/index.js";
import { bidora, fresh, GOLDEN, write } from "../support.js";

const LLAMA = join(GOLDEN, "generation", "llama");
const OTHER = join(GOLDEN, "generation", "qwen2");
const MODEL = ["--model", LLAMA, "--dtype", "float32"];
const PROMPTS = ["abc abc abc", "Hello", "東京 🙂", "x"];

const rowsFile = () => write("prompts.jsonl", PROMPTS.map((prompt) => `${JSON.stringify({ prompt })}\n`).join(""));

test.each([
  ["greedy", []],
  ["sampled", ["--temperature", "0.9", "--seed", "5", "--batch-size", "3", "--stop", "e"]],
])("generate --draft gives the same texts, %s", async (_, flags) => {
  const given = [...MODEL, "--input", rowsFile(), "--max-new-tokens", "30", "--json", ...flags];
  const plain = await bidora("generate", ...given);
  expect(plain.status).toBe(0);
  for (const draft of [["ngram"], [OTHER], [LLAMA, "--draft-tokens", "3"]]) {
    const { status, stdout } = await bidora("generate", ...given, "--draft", ...draft);
    expect(status).toBe(0);
    expect(stdout).toBe(plain.stdout);
  }
});

test("an open model opens a draft model once, and disposes of it", async () => {
  const before = liveHandles();
  const model = await load({ model: LLAMA, dtype: "float32" });
  const alone = liveHandles();
  const expected = await model.generate(PROMPTS, { maxNewTokens: 12 });
  expect(await model.generate(PROMPTS, { maxNewTokens: 12, draft: OTHER })).toEqual(expected);
  const opened = liveHandles();
  expect(opened).toBeGreaterThan(alone);
  let text = "";
  const settings = { maxNewTokens: 12, draft: OTHER, draftTokens: 2 };
  for await (const piece of model.generate("Hello", settings)) text += piece.text;
  expect(text).toBe(expected[1]?.text);
  await expect(model.generate("Hello", { draft: "nowhere/at/all" }).then(() => {})).rejects.toThrow(
    "--draft nowhere/at/all: There is no folder nowhere/at/all.",
  );
  expect(liveHandles()).toBe(opened);
  model.dispose();
  await new Promise((resolve) => setImmediate(resolve));
  expect(liveHandles()).toBeLessThanOrEqual(before + 2); // the generators that the weights were loaded with
});

/** The parts of the tokenizer's files that are changed. */
interface Json {
  readonly model: { readonly vocab: Record<string, number | undefined> };
  readonly added_tokens: readonly object[];
}

/** A copy of a model whose tokenizer is changed. */
function changed(file: string, change: (json: Json) => void): string {
  const folder = fresh("draft");
  cpSync(LLAMA, folder, { recursive: true });
  const path = join(folder, file);
  const json = JSON.parse(readFileSync(path, "utf8"));
  change(json);
  writeFileSync(path, JSON.stringify(json));
  return folder;
}

const swapped = (json: Json): void => {
  const { vocab } = json.model;
  [vocab.a, vocab.b] = [vocab.b, vocab.a];
};

test.each<readonly [string, () => readonly string[], number, RegExp]>([
  ["--draft-tokens without --draft", () => ["--draft-tokens", "3"], 2, /--draft-tokens \(applies only with --draft\)/],
  ["--draft with beams", () => ["--draft", "ngram", "--beams", "2"], 2, /--draft \(applies only without --beams\)/],
  [
    "--draft-tokens 0",
    () => ["--draft", "ngram", "--draft-tokens", "0"],
    2,
    /--draft-tokens takes a whole number of at least 1/,
  ],
  [
    "a folder that is not there",
    () => ["--draft", "no/such/folder"],
    1,
    /--draft no\/such\/folder: There is no folder/,
  ],
  [
    "another vocabulary",
    () => ["--draft", join(GOLDEN, "gpt2", "lm")],
    1,
    /its vocabulary has 117 tokens, the model's 301/,
  ],
  [
    "tokens in another order",
    () => ["--draft", changed("tokenizer.json", swapped)],
    1,
    /token \d+ is "b", the model's "a"/,
  ],
  [
    "another end token",
    () => ["--draft", changed("tokenizer_config.json", (json) => Object.assign(json, { eos_token: "<other>" }))],
    1,
    /its eos_token is "<other>", the model's "<end>"/,
  ],
  [
    "a special token that is a plain one",
    () => [
      "--draft",
      changed("tokenizer.json", ({ added_tokens: [first] }) => Object.assign(first as object, { special: false })),
    ],
    1,
    /token 0, "<end>", is a special token of only one of them/,
  ],
  ["an encoder", () => ["--draft", join(GOLDEN, "bert", "single")], 1, /--draft .*single/],
])("%s is refused", async (_, flags, status, message) => {
  const result = await bidora("generate", ...MODEL, "--prompt", "a", ...flags());
  expect(result.stderr.trim()).toMatch(message);
  expect(result.stderr.trim().split("\n")).toHaveLength(1);
  expect(result.status).toBe(status);
});

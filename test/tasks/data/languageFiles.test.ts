import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { BidoraError } from "../../../src/base/errors.js";
import { type LoadRowsOptions, loadLanguage } from "../../../src/tasks/data/index.js";
import { encodeLanguageExamples } from "../../../src/tasks/encodeLanguage.js";
import { encodePrompts } from "../../../src/tasks/index.js";
import { loadTokenizer } from "../../../src/text/index.js";

const folder = mkdtempSync(join(tmpdir(), "bidora-language-"));
const golden = fileURLToPath(new URL("../../golden", import.meta.url));

function file(name: string, ...rows: unknown[]): string {
  const path = join(folder, name);
  writeFileSync(path, rows.map((row) => (typeof row === "string" ? row : JSON.stringify(row))).join("\n"));
  return path;
}

async function inputs(path: string, options?: LoadRowsOptions): Promise<unknown[]> {
  return (await loadLanguage(path, options)).examples.map(({ input }) => input);
}

async function fault(work: Promise<unknown>): Promise<string> {
  const error = await work.then(
    () => undefined,
    (e: unknown) => e,
  );
  expect(error).toBeInstanceOf(BidoraError);
  return (error as BidoraError).message.replaceAll(`${folder}/`, "");
}

const user = { role: "user", content: "a" };
const assistant = { role: "assistant", content: "b" };

describe("files of rows for language models", () => {
  it("messages keep the fields that a template can read and lose null fields", async () => {
    const parts = [{ type: "text", text: "a" }];
    const path = file(
      "messages.jsonl",
      {
        messages: [
          { ...user, name: null },
          { ...assistant, reasoning_content: "c", weight: true },
        ],
        text: null,
      },
      "",
      { messages: [{ role: "user", content: parts }], id: 7 },
    );
    const { examples, columns } = await loadLanguage(path);
    expect(examples).toEqual([
      {
        input: { kind: "messages", messages: [user, { ...assistant, reasoning_content: "c", weight: true }] },
        label: undefined,
        at: { file: path, line: 1 },
      },
      {
        input: { kind: "messages", messages: [{ role: "user", content: parts }] },
        label: undefined,
        at: { file: path, line: 3 },
      },
    ]);
    expect(columns).toEqual({ text: ["messages"], label: undefined });
  });

  it("prompts and completions are texts or messages", async () => {
    const path = file("prompts.jsonl", { prompt: "a", completion: "" }, { prompt: [user], completion: [assistant] });
    expect(await inputs(path)).toEqual([
      { kind: "prompt", prompt: "a", completion: "" },
      { kind: "prompt", prompt: [user], completion: [assistant] },
    ]);
    expect(await inputs(file("p.csv", "prompt,completion", '"a\nb",c', '"",""'))).toEqual([
      { kind: "prompt", prompt: "a\nb", completion: "c" },
      { kind: "prompt", prompt: "", completion: "" },
    ]);
    expect(await inputs(file("t.tsv", "text\tlabel", "a\t1"))).toEqual([{ kind: "text", text: "a" }]);
    expect(await inputs(file("q.jsonl", { prompt: "a" }), { labels: "optional" })).toEqual([
      { kind: "prompt", prompt: "a", completion: undefined },
    ]);
  });

  it("rows are read from Parquet files too", async () => {
    expect(await inputs(`${golden}/data/messages.parquet`)).toEqual([
      {
        kind: "messages",
        messages: [
          { role: "user", content: "Ein Mädchen 😀" },
          { role: "assistant", content: "", name: "Ann" },
        ],
      },
      { kind: "messages", messages: [{ role: "user", content: "line\nbreak" }] },
    ]);
  });

  it("columns are those given, else those of the training run", async () => {
    const path = file("own.jsonl", { q: "a", a: "b", chat: [user] });
    expect(await inputs(path, { textColumns: ["q", "a"] })).toEqual([{ kind: "prompt", prompt: "a", completion: "b" }]);
    expect(await inputs(path, { textColumns: ["chat"] })).toEqual([{ kind: "messages", messages: [user] }]);
    expect(await inputs(path, { usualTextColumns: ["a"] })).toEqual([{ kind: "text", text: "b" }]);
    expect(await inputs(path, { textColumns: ["q", "x"], labels: "optional" })).toEqual([{ kind: "text", text: "a" }]);
    expect(await fault(inputs(path, { textColumns: ["q", "x"] }))).toBe(
      "own.jsonl has no column x; its columns are q, a, chat.",
    );
    expect(await fault(inputs(path, { labelColumns: ["a"] }))).toMatch(/^No effect: --label-column a/);
  });

  it.each<[string, unknown, string]>([
    [
      "a wrong role",
      { messages: [user, { role: "model", content: "b" }] },
      'messages[1] must have a role, one of system, developer, user, assistant, tool, but it is "model".',
    ],
    ["no content", { messages: [{ role: "user" }] }, "messages[0] has no content: expected a string."],
    [
      "a number for a content",
      { messages: [{ role: "user", content: 1 }] },
      "messages[0].content must be a string, but is 1.",
    ],
    [
      "an image",
      { messages: [{ role: "user", content: [{ type: "image" }] }] },
      'messages[0].content[0] must be {"type": "text", "text"}, but is {"type":"image"}.',
    ],
    [
      "calls of tools",
      { messages: [{ ...assistant, tool_calls: [{}] }] },
      'messages[0].tool_calls[0] must be {"type": "function", "function": {"name", "arguments"}}, but is {}.',
    ],
    ["no message", { messages: [] }, "messages must be a non-empty list of messages, but is []."],
    ["a text for messages", { messages: "a" }, 'messages must be a non-empty list of messages, but is "a".'],
    ["a text for a message", { messages: ["a"] }, 'messages[0] must be {"role", "content"}, but is "a".'],
    [
      "two kinds",
      { text: "a", messages: [user] },
      "expected messages, or prompt and completion, or text, but the row has messages and text.",
    ],
    ["no kind", { label: "a" }, "expected messages, or prompt and completion, or text, but the row has label."],
    ["no completion", { prompt: "a" }, "completion must be a string, but is missing."],
    [
      "two forms",
      { prompt: [user], completion: "a" },
      "prompt and completion must both be strings, or both be lists of messages.",
    ],
    [
      "half a character",
      { text: "a\ud83d" },
      "text has a lone surrogate, half of a character, such as \\ud83d: correct the text.",
    ],
  ])("rows are refused for %s", async (_, row, message) => {
    const fine = {
      ...(row as object),
      text: undefined,
      prompt: "a",
      completion: "b",
      messages: undefined,
      tools: undefined,
    };
    expect(await fault(inputs(file("fault.jsonl", fine, row)))).toBe(`fault.jsonl line 2: ${message}`);
  });

  it("rows of two kinds in a file are refused", async () => {
    expect(await fault(inputs(file("mixed.jsonl", { text: "a" }, { prompt: "a", completion: "b" })))).toBe(
      "mixed.jsonl line 2: the row has prompt, but line 1 has text: split the file by kind.",
    );
  });
});

describe("rows that cannot be encoded", () => {
  const at = { file: "f", line: 5 };
  const example = (input: object) => ({ input, label: undefined, at }) as never;

  it("errors name the row", async () => {
    const tokenizer = await loadTokenizer(`${golden}/chat/tokenizers/byte-level`);
    const parts = { kind: "messages", messages: [{ role: "user", content: [{ type: "text", text: "a" }] }] };
    expect(await fault(encodePrompts([example(parts)], tokenizer))).toBe(
      "f line 5: the chat template cannot render the conversation: it computes a string + a list.",
    );
    const text = { kind: "text", text: "a" };
    expect(await fault(encodeLanguageExamples([example(text)], tokenizer, { trainOn: "assistant" }))).toBe(
      "--train-on assistant does not fit f, whose rows have text: use all.",
    );
    const first = { kind: "messages", messages: [assistant, user] };
    expect(await fault(encodeLanguageExamples([example(first)], tokenizer))).toMatch(/^f line 5: .*messages\[0\]/);
  });

  it("messages need a chat template, texts an end-of-text token", async () => {
    const tokenizer = await loadTokenizer(`${golden}/text/unigram`);
    const chat = example({ kind: "messages", messages: [user] });
    expect(await fault(encodePrompts([chat], tokenizer))).toMatch(
      /^Messages need a chat template, but the tokenizer has none/,
    );
    const bert = await loadTokenizer(`${golden}/text/bert-cased`);
    const text = example({ kind: "text", text: "a" });
    expect(await fault(encodeLanguageExamples([text], bert))).toMatch(/^tokenizer_config\.json names no eos_token/);
  });

  it("the loss is on the completion, or with --train-on assistant on every answer", async () => {
    const tokenizer = await loadTokenizer(`${golden}/chat/tokenizers/byte-level-marked`);
    const input = { kind: "prompt", prompt: [user, assistant, user], completion: [assistant] };
    const marks = async (trainOn?: "assistant" | "all") => {
      const rows = await encodeLanguageExamples([example(input)], tokenizer, { trainOn });
      return rows
        .flatMap(([row]) => [0, ...(row?.target ?? []).slice(0, -1).map((id) => Number(id !== -100))])
        .join("");
    };
    const [own, all, whole] = [await marks(), await marks("assistant"), await marks("all")];
    expect(own.match(/1+/g)).toHaveLength(1);
    expect(all.match(/1+/g)).toHaveLength(2);
    expect(whole).toBe(`0${"1".repeat(whole.length - 1)}`);
    expect(own.length).toBe(all.length);
  });
});

// Rows with tools: their tokens and masks as from transformers, and what is refused by row.
import { cpSync, readFileSync, rmSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadLanguage } from "../../src/tasks/data/index.js";
import { encodeLanguageExamples, type LanguageEncoding } from "../../src/tasks/encodeLanguage.js";
import { encodePrompts } from "../../src/tasks/index.js";
import { loadTokenizer, type Tokenizer } from "../../src/text/index.js";
import { GOLDEN } from "../support/golden.js";
import { freshPath } from "../support/workFolder.js";

interface Row {
  readonly conversation: number;
  readonly ids: readonly number[];
  readonly mask: string;
}

const chat = join(GOLDEN, "chat");
const golden: Record<string, readonly Row[]> = JSON.parse(readFileSync(join(chat, "tool_rows.json"), "utf8"));
const { conversations }: { conversations: readonly Record<string, unknown>[] } = JSON.parse(
  readFileSync(join(chat, "tools.json"), "utf8"),
);

async function tokenizerWith(template: string): Promise<Tokenizer> {
  const folder = freshPath("tokenizer");
  cpSync(join(chat, "tokenizers/byte-level"), folder, { recursive: true });
  cpSync(join(chat, "templates", `${template}.jinja`), join(folder, "chat_template.jinja"));
  return loadTokenizer(folder);
}

function fileOf(...rows: readonly object[]): string {
  const path = `${freshPath("rows")}.jsonl`;
  writeFileSync(path, rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

/** Token ids and masks, as in the golden file. */
async function encoded(path: string, tokenizer: Tokenizer, options: LanguageEncoding = {}) {
  const { examples } = await loadLanguage(path);
  const rows = await encodeLanguageExamples(examples, tokenizer, options);
  return rows.flat().map(({ inputIds: ids, target = [] }) => ({
    ids,
    mask: ids.map((id, i) => (i > 0 && target[i - 1] === id ? "1" : "0")).join(""),
  }));
}

const [weather, mail] = conversations[1]!.tools as readonly object[];
const user = { role: "user", content: "Weather?" };
const ask = (name = "get_weather", given: unknown = { city: "Bern" }, more: object = {}) => ({
  role: "assistant",
  tool_calls: [{ id: "c1", type: "function", function: { name, arguments: given }, ...more }],
});
const result = { role: "tool", tool_call_id: "c1", content: "sunny" };

describe.each(Object.entries(golden))("rows with tools and the template %s", (template, rows) => {
  it("have the tokens of transformers, and the loss on answers and calls", async () => {
    const path = fileOf(...rows.map(({ conversation }) => conversations[conversation]!));
    const tokenizer = await tokenizerWith(template);
    const expected = rows.map(({ ids, mask }) => ({ ids, mask }));
    expect(await encoded(path, tokenizer, { trainOn: "assistant" })).toEqual(expected);
    expect(await encoded(path, tokenizer)).toEqual(expected);
  });
});

describe("a row with tools", () => {
  it("may have its tools and arguments as JSON texts, and null where there is nothing", async () => {
    const tokenizer = await tokenizerWith("qwen2.5");
    const plain = { tools: [weather], messages: [user, ask(), result, { role: "assistant", content: "Sunny." }] };
    const asTexts = {
      tools: JSON.stringify([weather]),
      chat_template_kwargs: "{}",
      messages: [
        { ...user, tool_calls: null },
        { ...ask("get_weather", '{"city":"Bern"}'), content: null },
        result,
        { role: "assistant", content: "Sunny.", tool_calls: [] },
      ],
    };
    const [a, b] = await encoded(fileOf(plain, asTexts), tokenizer);
    expect(b).toEqual(a);
  });

  it("may be a prompt with its completion; tools count when the prompt is scored and continued", async () => {
    const tokenizer = await tokenizerWith("qwen2.5");
    const whole = { tools: [weather], messages: [user, ask()] };
    const parts = { tools: [weather], prompt: [user], completion: [ask()] };
    const [asWhole] = await encoded(fileOf(whole), tokenizer);
    expect(await encoded(fileOf(parts), tokenizer)).toEqual([asWhole]);
    const prompts = async (row: object) =>
      encodePrompts((await loadLanguage(fileOf(row), { labels: "optional" })).examples, tokenizer);
    const [[withTools], [without]] = [await prompts({ ...parts, completion: null }), await prompts({ prompt: [user] })];
    expect(withTools!.length).toBeGreaterThan(without!.length + 100);
    expect(asWhole!.ids.slice(0, withTools!.length)).toEqual(withTools);
  });

  it("is rendered with the template named tool_use, others with default, unless a file has the template", async () => {
    const folder = freshPath("named");
    cpSync(join(chat, "tokenizers/byte-level"), folder, { recursive: true });
    const template = join(folder, "chat_template.jinja");
    rmSync(template);
    const chat_template = [
      { name: "tool_use", template: "T{{ tools | length }}{% for m in messages %}{{ m.content }}{% endfor %}" },
      { name: "default", template: "D{% for m in messages %}{{ m.content }}{% endfor %}" },
    ];
    const settings = join(folder, "tokenizer_config.json");
    writeFileSync(settings, JSON.stringify({ ...JSON.parse(readFileSync(settings, "utf8")), chat_template }));
    const path = fileOf({ tools: [weather], messages: [user] }, { messages: [user] });
    const { examples } = await loadLanguage(path, { labels: "optional" });
    const texts = async (tokenizer: Tokenizer) =>
      Promise.all((await encodePrompts(examples, tokenizer)).map((ids) => tokenizer.decode(ids!)));
    expect(await texts(await loadTokenizer(folder))).toEqual(["T1Weather?", "DWeather?"]);
    writeFileSync(template, "F{{ tools }}");
    expect((await texts(await loadTokenizer(folder))).map(([first]) => first)).toEqual(["F", "F"]);
  });

  it("passes its chat_template_kwargs to the template", async () => {
    const tokenizer = await tokenizerWith("qwen3");
    const row = (kwargs: object) => ({ tools: [weather], messages: [user], chat_template_kwargs: kwargs });
    const path = fileOf(row({ enable_thinking: false }), row({ enable_thinking: true }));
    const { examples } = await loadLanguage(path, { labels: "optional" });
    const [no, yes] = await encodePrompts(examples, tokenizer);
    expect(await tokenizer.decode(no!.slice(yes!.length))).toBe("<think>\n\n</think>\n\n");
  });

  it.each<[string, object, string]>([
    [
      "tools that are no list",
      { tools: { a: 1 }, messages: [user] },
      'tools must be a list of {"type": "function", "function"}, but is {"a":1}.',
    ],
    ["tools that are no JSON", { tools: "[", messages: [user] }, 'tools must be JSON, but is "[".'],
    [
      "a tool of another form",
      { tools: [{ name: "f" }], messages: [user] },
      'tools[0] must be {"type": "function", "function": {"name", "description", "parameters"}}, but is {"name":"f"}.',
    ],
    [
      "a tool without a name",
      { tools: [{ type: "function", function: {} }], messages: [user] },
      "tools[0].function.name must be a string that is not empty, but is undefined.",
    ],
    [
      "parameters that are no schema",
      { tools: [{ type: "function", function: { name: "f", parameters: [] } }], messages: [user] },
      "tools[0].function.parameters must be a JSON schema, which is an object, but is [].",
    ],
    [
      "two tools of one name",
      { tools: [weather, weather], messages: [user] },
      'tools[1].function.name is "get_weather", which another tool has too.',
    ],
    [
      "a call of another tool",
      { tools: [weather, mail], messages: [user, ask("get_time")] },
      'messages[1].tool_calls[0] calls "get_time", which is not among the tools: get_weather, send_mail.',
    ],
    [
      "a call without tools",
      { messages: [user, ask()] },
      'messages[1].tool_calls[0] calls "get_weather", which is not among the tools: there are none.',
    ],
    [
      "arguments that are no JSON",
      { tools: [weather], messages: [user, ask("get_weather", "{city: Bern}")] },
      'messages[1].tool_calls[0].function.arguments must be a JSON object, or the JSON text of one, but is "{city: Bern}".',
    ],
    [
      "arguments that are a list",
      { tools: [weather], messages: [user, ask("get_weather", "[]")] },
      'messages[1].tool_calls[0].function.arguments must be a JSON object, or the JSON text of one, but is "[]".',
    ],
    [
      "a call of another type",
      { tools: [weather], messages: [user, ask("get_weather", {}, { type: "custom" })] },
      'messages[1].tool_calls[0].type must be "function", but is "custom".',
    ],
    [
      "a user's call",
      { tools: [weather], messages: [{ ...user, tool_calls: ask().tool_calls }] },
      "messages[0].tool_calls is for messages of the assistant.",
    ],
    [
      "a result without a call",
      { tools: [weather], messages: [user, result] },
      "messages[1] is a tool's result without a call: put it after an assistant's message whose tool_calls it answers.",
    ],
    [
      "a second result",
      { tools: [weather], messages: [user, ask(), result, result] },
      "messages[3] is a tool's result without a call: put it after an assistant's message whose tool_calls it answers.",
    ],
    [
      "a result of another call",
      { tools: [weather], messages: [user, ask(), { ...result, tool_call_id: "c2" }] },
      'messages[2] is a tool\'s result without a call: no open call of the message before has the id "c2".',
    ],
    ["tools of a text", { tools: [weather], text: "a" }, "tools are for rows with messages, and this one has a text."],
    [
      "variables that are none",
      { messages: [user], chat_template_kwargs: { tools: [] } },
      "chat_template_kwargs must not have tools, which is no variable of its own.",
    ],
    [
      "variables that are no object",
      { messages: [user], chat_template_kwargs: [1] },
      "chat_template_kwargs must be an object, but is [1].",
    ],
  ])("is refused for %s", async (_, row, fault) => {
    const path = fileOf(row);
    await expect(loadLanguage(path)).rejects.toThrow(`${path} line 1: ${fault}`);
  });

  it("is refused by its line if the template ignores a role", async () => {
    const tokenizer = await tokenizerWith("qwen2.5");
    const developer = { role: "developer", content: "Be kind." };
    const path = fileOf({ messages: [user] }, { messages: [developer, user, { role: "assistant", content: "Hi." }] });
    const ignores = `${path} line 2: the chat template cannot render the conversation: it ignores messages of the role developer`;
    for (const trainOn of ["assistant", "completion", "all"] as const)
      await expect(encoded(path, tokenizer, { trainOn })).rejects.toThrow(ignores);
    const { examples } = await loadLanguage(path);
    await expect(encodePrompts(examples, tokenizer)).rejects.toThrow(ignores);
  });

  it("is refused if the template ignores tools", async () => {
    const tokenizer = await tokenizerWith("smollm2");
    const row = { tools: [weather], messages: [user, { role: "assistant", content: "Sunny." }] };
    const path = fileOf({ messages: row.messages }, row);
    const ignores = `${path} line 2: the chat template cannot render the conversation: it ignores tools`;
    for (const trainOn of ["assistant", "completion", "all"] as const)
      await expect(encoded(path, tokenizer, { trainOn })).rejects.toThrow(ignores);
    const { examples } = await loadLanguage(path);
    await expect(encodePrompts(examples, tokenizer)).rejects.toThrow(ignores);
    const called = fileOf({ messages: row.messages }, { tools: [weather], messages: [user, ask()] });
    await expect(encoded(called, tokenizer)).rejects.toThrow("it ignores tools");
    const otherwise = fileOf({ tools: [weather], messages: [{ role: "system", content: "a" }, ask()] });
    await expect(encoded(otherwise, await tokenizerWith("mistral-nemo"))).rejects.toThrow("the template says");
  });
});

// Calls in the form of each kind of model: found by its template, read whole, and read in pieces of any size with the same result.
import { cpSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, it, test } from "vitest";
import { loadTokenizer } from "../../../src/text/index.js";
import { wholeCalls } from "../../../src/use/toolCalls/callReading.js";
import type { CallFormat, ReadPiece } from "../../../src/use/toolCalls/format.js";
import { callFormatOf, newCallId, requireCallFormat } from "../../../src/use/toolCalls/formats.js";
import { gemma } from "../../../src/use/toolCalls/gemma.js";
import { granite } from "../../../src/use/toolCalls/granite.js";
import { harmony } from "../../../src/use/toolCalls/harmony.js";
import { hermes } from "../../../src/use/toolCalls/hermes.js";
import { llama } from "../../../src/use/toolCalls/llama.js";
import { mistral } from "../../../src/use/toolCalls/mistral.js";
import { GOLDEN } from "../../support/golden.js";
import { freshPath } from "../../support/workFolder.js";

const TOOLS = ["get_weather", "clock"];

interface Answer {
  text: string;
  calls: { name: string; arguments: string }[];
}

/** @param size of the pieces in which the text comes */
function read(format: CallFormat, text: string, size: number): Answer {
  let ids = 0;
  const reader = format.reader({ isTool: (name) => TOOLS.includes(name), newId: () => `${ids++}` });
  const answer: Answer = { text: "", calls: [] };
  const take = (piece: ReadPiece) => {
    answer.text += piece.text;
    for (const { index, id, name, arguments: more } of piece.calls) {
      if (name === undefined) expect(answer.calls.length).toBe(index + 1);
      else expect([answer.calls.push({ name, arguments: "" }), id]).toEqual([index + 1, `${index}`]);
      answer.calls[index]!.arguments += more;
    }
  };
  for (let at = 0; at < text.length; at += size) take(reader.put(text.slice(at, at + size)));
  take(reader.end());
  return answer;
}

const bern = (given = '{"city": "Bern"}') => ({ name: "get_weather", arguments: given });
const time = { name: "clock", arguments: "{}" };
const HERMES = '<tool_call>\n{"name": "get_weather", "arguments": {"city": "Bern"}}\n</tool_call>';
const odd = '{"city": "}\\"{[<tool_call>]", "n": [{"a": {}}]}';

const CASES: readonly (readonly [name: string, format: CallFormat, text: string, expected: Answer])[] = [
  ["no call", hermes, " It rains. \n", { text: " It rains. \n", calls: [] }],
  ["a call", hermes, HERMES, { text: "", calls: [bern()] }],
  ["text before and after", hermes, `I look.\n${HERMES}\n\nDone. `, { text: "I look.\n\nDone.", calls: [bern()] }],
  [
    "two calls",
    hermes,
    `${HERMES}\n<tool_call>{"name":"clock","arguments":{}}</tool_call>`,
    { text: "", calls: [bern(), time] },
  ],
  [
    "braces and marks in strings",
    hermes,
    `<tool_call>\n{"name": "get_weather", "arguments": ${odd}}\n</tool_call>`,
    { text: "", calls: [bern(odd)] },
  ],
  [
    "arguments first, as a text",
    hermes,
    '<tool_call>{"arguments": "{\\"city\\": \\"Bern\\"}", "name": "get_weather"}</tool_call>',
    { text: "", calls: [bern()] },
  ],
  ["an answer that is cut off", hermes, HERMES.slice(0, -16), { text: "", calls: [bern('{"city": "Bern')] }],
  ["one that is cut off before the name", hermes, 'A<tool_call>\n{"na', { text: 'A<tool_call>\n{"na', calls: [] }],
  ["the start of a mark", hermes, "A <tool_ca", { text: "A <tool_ca", calls: [] }],
  [
    "another tool's name",
    hermes,
    '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>',
    { text: '<tool_call>\n{"name": "f", "arguments": {}}\n</tool_call>', calls: [] },
  ],
  ["no JSON", hermes, "<tool_call>\nyes\n</tool_call>", { text: "<tool_call>\nyes\n</tool_call>", calls: [] }],
  ["broken JSON", hermes, "<tool_call>{clock}</tool_call>", { text: "<tool_call>{clock}</tool_call>", calls: [] }],
  ["a call", llama, '{"name": "get_weather", "parameters": {"city": "Bern"}}', { text: "", calls: [bern()] }],
  ["a call after the tag", llama, '<|python_tag|>{"name": "clock", "parameters": {}}', { text: "", calls: [time] }],
  [
    "two calls",
    llama,
    '{"name": "clock", "parameters": {}}; {"name": "get_weather", "parameters": {"city": "Bern"}}',
    { text: "", calls: [time, bern()] },
  ],
  [
    "code after the tag",
    llama,
    "<|python_tag|>get_weather.call(city=\"Bern\", n=2, x='it\\'s')",
    { text: "", calls: [bern('{"city":"Bern","n":2,"x":"it\'s"}')] },
  ],
  ["other code after the tag", llama, "<|python_tag|>print(1)", { text: "<|python_tag|>print(1)", calls: [] }],
  ["JSON within a text", llama, 'So: {"name": "clock"}', { text: 'So: {"name": "clock"}', calls: [] }],
  ["other JSON", llama, '{"a": {"b": 1}} x', { text: '{"a": {"b": 1}} x', calls: [] }],
  [
    "a list",
    mistral,
    '[TOOL_CALLS] [{"name": "get_weather", "arguments": {"city": "Bern"}, "id": "aB3dE5gH9"}, {"name": "clock", "arguments": {}}]',
    { text: "", calls: [bern(), time] },
  ],
  [
    "names and arguments",
    mistral,
    'So.[TOOL_CALLS]get_weather[CALL_ID]123456789[ARGS]{"city": "Bern"}[TOOL_CALLS]clock[ARGS]{}',
    { text: "So.", calls: [bern(), time] },
  ],
  ["a list that is cut off", mistral, '[TOOL_CALLS][{"name": "cl', { text: '[TOOL_CALLS][{"name": "cl', calls: [] }],
  [
    "a list",
    granite,
    '<|tool_call|>[{"name": "clock", "arguments": {}}, {"name": "get_weather", "arguments": {"city": "Bern"}}]',
    { text: "", calls: [time, bern()] },
  ],
  [
    "all kinds of values",
    gemma,
    'Well.<|tool_call>call:get_weather{city:<|"|>Be,r}n<|"|>,n:[1,-2.5e1,true,null,{a:<|"|><|"|>}],o:{}}<tool_call|><|tool_call>call:clock{}<tool_call|>',
    { text: "Well.", calls: [bern('{"city":"Be,r}n","n":[1,-25,true,null,{"a":""}],"o":{}}'), time] },
  ],
  [
    "the other marks",
    gemma,
    "<start_function_call>call:get_weather{city:<escape>Bern<escape>}<end_function_call>",
    { text: "", calls: [bern('{"city":"Bern"}')] },
  ],
  [
    "what it can't read",
    gemma,
    "<|tool_call>call:clock{a<tool_call|>",
    { text: "<|tool_call>call:clock{a<tool_call|>", calls: [] },
  ],
  [
    "messages of all channels",
    harmony,
    '<|channel|>analysis<|message|>Hm.<|end|><|start|>assistant<|channel|>commentary to=functions.get_weather <|constrain|>json<|message|>{"city": "Bern"}<|call|>',
    { text: "", calls: [bern()] },
  ],
  [
    "the recipient before the channel",
    harmony,
    "<|start|>assistant to=functions.clock<|channel|>commentary json<|message|>{}",
    { text: "", calls: [time] },
  ],
  ["a last answer", harmony, "<|channel|>final<|message|>It rains.<|return|>", { text: "It rains.", calls: [] }],
  ["no marks", harmony, "It rains.", { text: "It rains.", calls: [] }],
];

const nameOf = (format: CallFormat) =>
  Object.entries({ gemma, granite, harmony, hermes, llama, mistral }).find(([, own]) => own === format)?.[0];

describe.each(CASES.map(([name, format, ...rest]) => [nameOf(format), name, format, ...rest] as const))(
  "%s: %s",
  (_, __, format, text, expected) => {
    it.each([1, 2, 3, 7, 1000])("is read in pieces of %i characters", (size) => {
      expect(read(format, text, size)).toEqual(expected);
    });
  },
);

test("what an answer may repeat takes no longer than it is long", () => {
  for (const [format, part] of [
    [hermes, '<tool_call>{"a":'],
    [llama, '{"a":'],
    [gemma, "<|tool_call>call:"],
    [mistral, "[TOOL_CALLS]["],
  ] as const) {
    const begin = performance.now();
    const text = part.repeat(4000);
    expect(read(format, text, text.length).text).toBe(text);
    expect(performance.now() - begin).toBeLessThan(1000);
  }
});

test("whole calls are put together of their parts", () => {
  const pieces = [
    { index: 0, id: "a", name: "f", arguments: "" },
    { index: 0, arguments: "{" },
    { index: 0, arguments: "}" },
    { index: 1, id: "b", name: "g", arguments: "{}" },
  ];
  expect(wholeCalls(pieces)).toEqual([
    { id: "a", type: "function", function: { name: "f", arguments: "{}" } },
    { id: "b", type: "function", function: { name: "g", arguments: "{}" } },
  ]);
});

test("a model's form is found by its template for conversations with tools", async () => {
  const folder = freshPath("named");
  cpSync(join(GOLDEN, "llama/lm"), folder, { recursive: true });
  const chat_template = [
    { name: "default", template: "" },
    { name: "tool_use", template: readFileSync(join(GOLDEN, "chat/templates/qwen3.jinja"), "utf8") },
  ];
  const settings = join(folder, "tokenizer_config.json");
  writeFileSync(settings, JSON.stringify({ ...JSON.parse(readFileSync(settings, "utf8")), chat_template }));
  expect(nameOf(callFormatOf(await loadTokenizer(folder)) as CallFormat)).toBe("hermes");
});

test("a model's form is found by its template", () => {
  const formOf = (name: string) =>
    nameOf(
      callFormatOf({
        toolTemplateText: readFileSync(join(GOLDEN, "chat/templates", `${name}.jinja`), "utf8"),
      }) as CallFormat,
    );
  const forms = {
    "qwen2.5": "hermes",
    qwen3: "hermes",
    "tools/granite-4.0": "hermes",
    "tools/granite-3.3": "granite",
    "mistral-nemo": "mistral",
    "tools/ministral-3": "mistral",
    "tools/own-llama3": "llama",
    "tools/gemma-4": "gemma",
    "tools/gpt-oss": "harmony",
    "tools/qwen3-coder": undefined,
    "tools/glm-4.6": undefined,
    smollm2: undefined,
  };
  expect(Object.fromEntries(Object.keys(forms).map((name) => [name, formOf(name)]))).toEqual(forms);
  expect(() => requireCallFormat({ toolTemplateText: "x" })).toThrow(/no calls of tools in a form that is read/);
  expect(newCallId(hermes)).toMatch(/^call_[0-9a-f]{24}$/);
  expect(newCallId(mistral)).toMatch(/^[a-zA-Z0-9]{9}$/);
});

import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { BidoraError } from "../../src/common/errors.js";
import { ChatTemplate, ChatTemplateError, type Message } from "../../src/text/index.js";

interface Golden {
  readonly tokens: Readonly<Record<string, string>>;
  readonly conversations: readonly (readonly Record<string, unknown>[])[];
  /** By template, for each conversation, without a generation prompt and with one; null where transformers fails. */
  readonly texts: Readonly<Record<string, readonly (readonly [string | null, string | null])[]>>;
  /** Of small templates on `messages`. */
  readonly snippets: readonly { readonly template: string; readonly text: string | null }[];
  readonly messages: readonly Record<string, unknown>[];
}

const folder = process.env.CHAT_GOLDEN ?? fileURLToPath(new URL("../golden/chat", import.meta.url));
const templates = process.env.CHAT_TEMPLATES ?? `${folder}/templates`;
const golden: Golden = JSON.parse(readFileSync(`${folder}/chat.json`, "utf8"));

/** As rows are read: what is null is not there. */
const present = (messages: readonly Record<string, unknown>[]): Message[] =>
  messages.map(
    (message) => Object.fromEntries(Object.entries(message).filter(([, field]) => field !== null)) as Message,
  );

const tokens = new Map(Object.entries(golden.tokens));

function rendered(template: ChatTemplate, messages: readonly Message[], addGenerationPrompt: boolean): string | null {
  try {
    return template.render(messages, { addGenerationPrompt }).text;
  } catch (error) {
    if (error instanceof ChatTemplateError) return null;
    throw error;
  }
}

describe.each(Object.keys(golden.texts))("the template of %s", (name) => {
  const template = new ChatTemplate(readFileSync(`${templates}/${name}.jinja`, "utf8"), tokens);

  it.each([false, true])("writes what transformers writes (generation prompt: %s)", (prompt) => {
    const expected = golden.texts[name]?.map((texts) => texts[Number(prompt)]);
    expect(golden.conversations.map((messages) => rendered(template, present(messages), prompt))).toEqual(expected);
  });
});

describe("a template", () => {
  const user: Message = { role: "user", content: "a" };
  const rendering = (template: string) => () => new ChatTemplate(template, tokens).render([user]);

  it.each([
    [
      "goes on for ever",
      "{% for i in range(99999) %}{% for j in range(99999) %}{% endfor %}{% endfor %}",
      "more than 2000000 steps",
    ],
    ["calls itself", "{% macro m() %}{{ m() }}{% endmacro %}{{ m() }}", "too deep"],
    [
      "doubles a text",
      "{% set ns = namespace(t='aaaaaaaa') %}{% for i in range(40) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}",
      "more than 67108864 characters",
    ],
    [
      "writes without end",
      "{% set ns = namespace(t='ab') %}{% for i in range(22) %}{% set ns.t = ns.t ~ ns.t %}{% endfor %}{% for i in range(99) %}{{ ns.t }}{% endfor %}",
      "writes more than 67108864 characters",
    ],
    [
      "marks what it does not write in place",
      "{% set x %}{% generation %}a{% endgeneration %}{% endset %}",
      "stands in a macro or a variable",
    ],
    [
      "takes an item of a test",
      "{{ 4 is divisibleby(2)[0] }}",
      "item or attribute of a filter or test without brackets",
    ],
    ["takes an item of a filter", "{{ 'b' | join(',')[0] }}", "item or attribute of a filter or test without brackets"],
    ["says no", "{{ raise_exception('Only cats.') }}", "the template says: Only cats"],
    ["looks for a list among keys", "{{ [1] in messages[0] }}", "looks for a list among a dict's keys"],
    ["looks at the language", "{{ messages.__proto__ }}", '"__proto__", which no template may'],
    ["sets what it may not", "{% set ns = namespace() %}{% set ns._x = 1 %}", '"_x", which no template may'],
  ])("that %s is refused", (_, template, fault) => {
    expect(rendering(template)).toThrow(fault);
    expect(rendering(template)).toThrow(/^The chat template does not take the conversation: .*[^.]\.$/);
  });

  it.each<[string, unknown]>([
    ["nothing", null],
    ["a number", 7],
    ["a text in a list", ["hi"]],
    ["an image", [{ type: "image", image: "a.png" }]],
    ["a part of another type, with a text", [{ type: "image", text: "a.png" }]],
    ["a part without its text", [{ type: "text" }]],
  ])("takes no message with %s for a content, or for another field", (_, field) => {
    const template = new ChatTemplate("{{ messages[0].content }}{{ messages[0].tool_calls }}", tokens);
    const fault = (message: object) => () => template.render([message as Message]);
    expect(fault({ ...user, content: field })).toThrow(
      /messages\[0\].content must be a text, true or false, or a list of \{"type": "text", "text"\}, but is /,
    );
    expect(fault({ ...user, tool_calls: field })).toThrow(/messages\[0\].tool_calls must be a text/);
    expect(template.render([{ ...user, content: [{ type: "text", text: "hi" }] }]).text).toContain("'hi'");
  });

  it("that is broken is refused before any conversation", () => {
    expect(() => new ChatTemplate("{% if true %}", tokens)).toThrow(
      "The tokenizer's chat template can't be used: it breaks Jinja's rules (a block or a bracket is not closed).",
    );
    expect(() => new ChatTemplate("{{ 1 ; 2 }}", tokens)).toThrow('has ";" in a block');
    expect(() => new ChatTemplate("{% raw %}x", tokens)).toThrow("{% raw %} is not closed");
    expect(() => new ChatTemplate("{{ (1] }}", tokens)).toThrow("it has ] where none was opened");
    expect(() => new ChatTemplate("{% include 'x' %}", tokens)).toThrow("Unknown statement type: include");
  });

  it("is told the day as Python has it", () => {
    const template = new ChatTemplate("{{ strftime_now('%d %b %Y, %A %B %y %H:%M:%S %I %p %a %m %%') }}", tokens);
    const now = new Date(2026, 2, 5, 15, 4, 9);
    expect(template.render([user], { now }).text).toBe("05 Mar 2026, Thursday March 26 15:04:09 03 PM Thu 03 %");
    expect(rendering("{{ strftime_now('%Q') }}")).toThrow('strftime_now() has "%Q", which is not known');
  });

  it("gives the places of what the assistant wrote", () => {
    const template = new ChatTemplate(
      "😀{% for m in messages %}{% generation %}[{{ m.content }}]{% endgeneration %},{% endfor %}",
      tokens,
    );
    expect(template.render([user, user])).toEqual({
      text: "😀[a],[a],",
      spoken: [
        [2, 5],
        [6, 9],
      ],
    });
    expect(rendering("{{ 1 }}")()).toEqual({ text: "1", spoken: undefined });
  });
});

describe("small templates", () => {
  it.each(golden.snippets)("write what Jinja writes: $template", ({ template, text }) => {
    let written: string | null = null;
    try {
      written = rendered(new ChatTemplate(template, tokens), present(golden.messages), false);
    } catch (error) {
      expect(error).toBeInstanceOf(BidoraError);
    }
    expect(written).toBe(text);
  });
});

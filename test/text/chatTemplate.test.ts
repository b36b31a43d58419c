// Chat templates of ten models against transformers, and what a message may contain. Jinja itself is tested in packages/chat-template.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it, vi } from "vitest";
import { ChatTemplate, ChatTemplateError, type Message, type TextPart } from "../../src/text/index.js";

interface Golden {
  readonly tokens: Readonly<Record<string, string>>;
  readonly conversations: readonly (readonly Record<string, unknown>[])[];
  /** By template, for each conversation, without and with a generation prompt; null where transformers fails. */
  readonly texts: Readonly<Record<string, readonly (readonly [string | null, string | null])[]>>;
}

const folder = process.env.CHAT_GOLDEN ?? fileURLToPath(new URL("../golden/chat", import.meta.url));
const templates = process.env.CHAT_TEMPLATES ?? `${folder}/templates`;
const golden: Golden = JSON.parse(readFileSync(`${folder}/chat.json`, "utf8"));

/** Rows are read this way: fields that are null are left out. */
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

  it.each([false, true])("renders as in transformers (generation prompt: %s)", (prompt) => {
    const expected = golden.texts[name]?.map((texts) => texts[Number(prompt)]);
    expect(golden.conversations.map((messages) => rendered(template, present(messages), prompt))).toEqual(expected);
  });
});

describe("a chat template", () => {
  const user: Message = { role: "user", content: "a" };
  const rendering = (template: string) => () => new ChatTemplate(template, tokens).render([user]);

  it("that fails names the reason in one sentence", () => {
    expect(rendering("{{ raise_exception('Only cats.') }}")).toThrow(
      new ChatTemplateError("the template says: Only cats"),
    );
    expect(rendering("{{ messages[0].x.y }}")).toThrow(
      'The chat template cannot render the conversation: it reads "y" of undefined.',
    );
    expect(() => new ChatTemplate("x", tokens).render([])).toThrow("it has no messages");
  });

  it("with a syntax error is refused before any conversation", () => {
    expect(() => new ChatTemplate("{% if true %}", tokens)).toThrow(
      "The tokenizer's chat template can't be used: syntax error (a block or bracket is not closed).",
    );
  });

  it.each<[string, unknown]>([
    ["null", null],
    ["a number", 7],
    ["a string in a list", ["hi"]],
    ["an image", [{ type: "image", image: "a.png" }]],
    ["a part of another type with a text", [{ type: "image", text: "a.png" }]],
    ["a part without its text", [{ type: "text" }]],
  ])("refuses %s as the content or another field of a message", (_, field) => {
    const template = new ChatTemplate("{{ messages[0].content }}{{ messages[0].name }}", tokens);
    const fault = (message: object) => () => template.render([message as Message]);
    expect(fault({ ...user, content: field })).toThrow(
      /messages\[0\].content must be a string, true or false, or a list of \{"type": "text", "text"\}, but is /,
    );
    expect(fault({ ...user, name: field })).toThrow(/messages\[0\].name must be a string/);
    expect(fault({ ...user, tool_calls: field })).toThrow(/messages\[0\].tool_calls(\[0\])? must be /);
    expect(template.render([{ ...user, content: [{ type: "text", text: "hi" }] }]).text).toContain("'hi'");
  });

  it("refuses half a character and other values than JSON in tools, calls and further variables", () => {
    const template = new ChatTemplate("{{ tools }}{{ messages[0].tool_calls }}{{ x }}", tokens);
    const tool = (parameters: unknown) => [{ type: "function", function: { name: "f", parameters } }];
    const call = (given: unknown) => ({ ...user, tool_calls: [{ function: { name: "f", arguments: given } }] });
    const fault = (conversation: object) => () => template.render(conversation as never);
    const half = /has a lone surrogate/;
    expect(fault({ messages: [user], tools: tool({ a: ["\ud83d"] }) })).toThrow(half);
    expect(fault({ messages: [user], tools: tool({ "\ud83d": 1 }) })).toThrow(half);
    expect(fault({ messages: [call({ a: "\ud83d" })] })).toThrow(half);
    expect(fault({ messages: [user], chatTemplateKwargs: { x: "\ud83d" } })).toThrow(half);
    expect(fault({ messages: [user], chatTemplateKwargs: { x: () => 1 } })).toThrow("x must be a value of JSON");
    expect(fault({ messages: [user], tools: tool([]) })).toThrow("tools[0].function.parameters must be a JSON schema");
  });

  it.each<[string, Message["role"], string]>([
    ["qwen2.5", "developer", "Use the role system"],
    ["phi3", "developer", "Use the role system"],
    ["tinyllama", "developer", "Use the role system"],
    ["phi3", "tool", "give a template that has it with --chat-template FILE"],
  ])("of %s is refused for the role %s, which it ignores", (name, role, instead) => {
    const template = new ChatTemplate(readFileSync(`${templates}/${name}.jinja`, "utf8"), tokens);
    const whole = (content: string | TextPart[]) => () => template.renderWhole([{ role, content }, user]);
    const ignored = `it ignores messages of the role ${role}: the text is the same with and without them. ${instead}`;
    for (const content of ["Be kind.", [{ type: "text" as const, text: "Be kind." }]]) {
      expect(whole(content)).toThrow(ChatTemplateError);
      expect(whole(content)).toThrow(instead);
    }
    if (role === "developer") expect(whole("Be kind.")).toThrow(ignored);
    expect(whole(" ")().text).toBe(template.render([{ role, content: "a" }, user]).text);
    expect(template.renderWhole([{ role: "system", content: "Be kind." }, user]).text).toContain("Be kind.");
  });

  it("is not refused for a role whose messages it writes, each rendered once where there are none", () => {
    const smollm2 = new ChatTemplate(readFileSync(`${templates}/smollm2.jinja`, "utf8"), tokens);
    for (const role of ["developer", "tool"] as const)
      expect(smollm2.renderWhole([{ role, content: "Be kind." }, user]).text).toContain(`${role}\nBe kind.`);
    const render = vi.spyOn(smollm2, "render");
    smollm2.renderWhole([{ role: "system", content: "Be kind." }, user]);
    expect(render).toHaveBeenCalledTimes(1);
  });

  it("passes the time to the template", () => {
    const template = new ChatTemplate("{{ strftime_now('%d %b %Y') }}", tokens);
    expect(template.render([user], { now: new Date(2026, 2, 5) }).text).toBe("05 Mar 2026");
  });

  it("returns the spans that it marks as generated, if it marks any", () => {
    const source = "😀{% for m in messages %}{% generation %}[{{ m.content }}]{% endgeneration %},{% endfor %}";
    const template = new ChatTemplate(source, tokens);
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

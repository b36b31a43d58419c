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

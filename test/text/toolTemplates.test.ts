// Conversations with tools against transformers. Templates that may not be copied are compared where CHAT_TEMPLATES and CHAT_TOOLS name them
// and their texts: see test/golden/chat/make_tools.py.
import { readFileSync } from "node:fs";
import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { ChatTemplate, ChatTemplateError, type Conversation, type Message } from "../../src/text/index.js";

interface GoldenConversation {
  readonly tools: Conversation["tools"];
  readonly messages: readonly Message[];
  readonly chat_template_kwargs?: Conversation["chatTemplateKwargs"];
}

interface Golden {
  readonly tokens: Readonly<Record<string, string>>;
  readonly conversations: readonly GoldenConversation[];
  /** By template, for each conversation, without and with a generation prompt, or what this adds; null where transformers fails. */
  readonly texts: Readonly<Record<string, readonly (readonly [string | null, string | null | { adds: string }])[]>>;
}

const folder = fileURLToPath(new URL("../golden/chat", import.meta.url));
const templates = process.env.CHAT_TEMPLATES ?? `${folder}/templates`;
const golden: Golden = JSON.parse(readFileSync(process.env.CHAT_TOOLS ?? `${folder}/tools.json`, "utf8"));
const tokens = new Map(Object.entries(golden.tokens));
const now = new Date(2026, 2, 5, 12);

const conversations = golden.conversations.map(
  ({ chat_template_kwargs: chatTemplateKwargs, ...own }): Conversation => ({ ...own, chatTemplateKwargs }),
);

function rendered(template: ChatTemplate, conversation: Conversation, addGenerationPrompt: boolean): string | null {
  try {
    return template.render(conversation, { addGenerationPrompt, now }).text;
  } catch (error) {
    if (error instanceof ChatTemplateError) return null;
    throw error;
  }
}

describe.each(Object.keys(golden.texts))("the template of %s", (name) => {
  const template = new ChatTemplate(readFileSync(`${templates}/${name}.jinja`, "utf8"), tokens);

  it.each([false, true])("writes tools and calls as in transformers (generation prompt: %s)", (prompt) => {
    const expected = golden.texts[name]?.map(([text, prompted]) => {
      if (!prompt) return text;
      return typeof prompted === "object" && prompted ? `${text}${prompted.adds}` : prompted;
    });
    expect(conversations.map((one) => rendered(template, one, prompt))).toEqual(expected);
  });

  it("reads arguments that are JSON texts as objects", () => {
    const asTexts = (message: Message): Message => ({
      ...message,
      ...(message.tool_calls && {
        tool_calls: message.tool_calls.map((call) => ({
          ...call,
          function: { ...call.function, arguments: JSON.stringify(call.function.arguments) },
        })),
      }),
    });
    const given = conversations.map((one) => ({ ...one, messages: one.messages.map(asTexts) }));
    expect(given.map((one) => rendered(template, one, false))).toEqual(
      conversations.map((one) => rendered(template, one, false)),
    );
  });
});

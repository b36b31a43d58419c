// A tokenizer's chat template: it writes a conversation as the model expects it.
import { type Span, Template, TemplateError } from "@bidora/chat-template";
import { BidoraError, shown } from "../base/index.js";
import { isJsonObject } from "../base/records/index.js";
import { asConversation, type Conversation, type Message, type TextPart, withoutTools } from "./conversation.js";
import { HAS_LONE_SURROGATE, isWellFormed } from "./surrogates.js";
import { SPECIAL_TOKENS, specialToken, type TokenizerSettings } from "./tokenizerSettings.js";
import { argumentsOf, faultInCalls, faultInKwargs, faultInTools } from "./toolFaults.js";

/** A conversation as one text. */
export interface RenderedChat {
  readonly text: string;
  /** The ranges of the text inside `{% generation %}` blocks, in UTF-16 units; undefined if the template has no such blocks. */
  readonly spoken: readonly Span[] | undefined;
}

/** How a conversation is rendered. */
export interface RenderOptions {
  /** Whether the text ends with the beginning of the assistant's next message. */
  readonly addGenerationPrompt?: boolean;
  /** The time that the template sees; the current time if not given. */
  readonly now?: Date;
}

/** A conversation that a chat template cannot render. */
export class ChatTemplateError extends BidoraError {
  /** @param fault why not: a clause that ends a sentence */
  constructor(readonly fault: string) {
    super("CHAT_TEMPLATE", `The chat template cannot render the conversation: ${fault}.`);
  }
}

/** The chat template of a model, with the variables that transformers passes to it. */
export class ChatTemplate {
  private readonly template: Template;
  private readonly variables: Readonly<Record<string, unknown>>;

  /**
   * @param specialTokens the tokenizer's, by role: `bos_token`, …
   * @throws BidoraError for a template with a syntax error
   */
  constructor(source: string, specialTokens: ReadonlyMap<string, string>) {
    this.template = parsed(source);
    this.variables = { ...Object.fromEntries(specialTokens), tools: null, documents: null };
  }

  /** @throws ChatTemplateError for a conversation that the template cannot render */
  render(given: Conversation | readonly Message[], options: RenderOptions = {}): RenderedChat {
    const conversation = asConversation(given);
    const { addGenerationPrompt = false, now = new Date() } = options;
    try {
      const fields = { ...fieldsOf(conversation), add_generation_prompt: addGenerationPrompt };
      const { text, generated } = this.template.render({ ...this.variables, ...fields }, { now });
      return { text, spoken: this.template.marksGeneration ? generated : undefined };
    } catch (error) {
      if (error instanceof TemplateError) throw new ChatTemplateError(error.message);
      if (error instanceof RangeError) throw new ChatTemplateError("it is nested too deeply");
      throw error;
    }
  }

  /**
   * The same for a whole conversation, whose tools and messages must be in the text.
   * @throws ChatTemplateError as `render`, and for a template that ignores the conversation's tools, or a role that not all templates have
   */
  renderWhole(given: Conversation | readonly Message[], options: RenderOptions = {}): RenderedChat {
    const conversation = asConversation(given);
    const rendered = conversation.tools?.length
      ? this.#withTools(conversation, options)
      : this.render(conversation, options);
    for (const { role, instead } of RARE_ROLES)
      if (hasText(conversation, role) && this.#textOf(withoutText(conversation, role), options) === rendered.text)
        throw new ChatTemplateError(
          `it ignores messages of the role ${role}: the text is the same with and without them. ${instead}`,
        );
    return rendered;
  }

  /** @throws ChatTemplateError as `render`, and for a template that ignores the conversation's tools */
  #withTools(conversation: Conversation, options: RenderOptions): RenderedChat {
    try {
      const rendered = this.render(conversation, options);
      if (this.#textOf(withoutTools(conversation), options) !== rendered.text) return rendered;
    } catch (error) {
      // A template without tools may fail at a call.
      if (!this.#ignores(conversation, options)) throw error;
    }
    throw new ChatTemplateError(
      "it ignores tools: the text is the same with and without them. Use a model whose template has tools, or give a template that has them with --chat-template FILE",
    );
  }

  /** The text; undefined if the template fails, as one for conversations with tools may at others. */
  #textOf(conversation: Conversation, options: RenderOptions): string | undefined {
    try {
      return this.render(conversation, options).text;
    } catch {
      return undefined;
    }
  }

  /** Whether a question is written the same with and without tools. */
  #ignores({ tools, chatTemplateKwargs }: Conversation, options: RenderOptions): boolean {
    const question = { messages: [{ role: "user", content: "a" }] as const, chatTemplateKwargs };
    try {
      return this.render({ ...question, tools }, options).text === this.render(question, options).text;
    } catch {
      return false;
    }
  }
}

/** The roles that templates may ignore, and what to do then. */
const RARE_ROLES = [
  { role: "developer", instead: "Use the role system" },
  {
    role: "tool",
    instead: "Use a model whose template has that role, or give a template that has it with --chat-template FILE",
  },
] as const;

type RareRole = (typeof RARE_ROLES)[number]["role"];

const hasText = ({ messages }: Conversation, role: RareRole): boolean =>
  messages.some((message) => message.role === role && contentText(message).trim() !== "");

const contentText = ({ content }: Message): string =>
  typeof content === "string" ? content : (content ?? []).map(({ text }) => text).join("");

/** The same conversation with empty messages of a role. */
const withoutText = (conversation: Conversation, role: RareRole): Conversation => ({
  ...conversation,
  messages: conversation.messages.map((message) => (message.role === role ? { ...message, content: "" } : message)),
});

function parsed(source: string): Template {
  try {
    return new Template(source);
  } catch (error) {
    if (!(error instanceof TemplateError)) throw error;
    throw new BidoraError("CHAT_TEMPLATE", `The tokenizer's chat template can't be used: ${error.message}.`);
  }
}

/** The names under which a message may have its reasoning. Templates read the first. */
const REASONING = ["reasoning_content", "thinking", "reasoning"];

/** A message with its reasoning under all names that templates read, as in transformers. */
function withReasoning(message: Message): Readonly<Record<string, Message[string]>> {
  const name = REASONING.find((field) => Object.hasOwn(message, field));
  if (name === undefined) return message;
  const reasoning = message[name]!;
  return { thinking: reasoning, ...message, reasoning_content: reasoning };
}

/** What a template sees of a conversation. @throws ChatTemplateError for values that it can't be given */
function fieldsOf({ messages, tools, chatTemplateKwargs = {} }: Conversation): Record<string, unknown> {
  if (messages.length === 0) throw new ChatTemplateError("it has no messages");
  refuseFault(faultInKwargs(chatTemplateKwargs));
  if (tools) refuseFault(faultInTools(tools));
  return {
    ...Object.fromEntries(json(chatTemplateKwargs, "chat_template_kwargs") as ReadonlyMap<string, unknown>),
    messages: messages.map(messageFields),
    ...(tools?.length && { tools: json(tools, "tools") }),
  };
}

function refuseFault(fault: string | undefined): void {
  if (fault !== undefined) throw new ChatTemplateError(fault);
}

/** A message with content null, as OpenAI has it beside calls, has no content, as in transformers. */
function messageFields(message: Message, i: number): ReadonlyMap<string, unknown> {
  const fields = Object.entries(withReasoning(message)).filter(
    ([name, field]) => !(name === "content" && field === null && message.tool_calls),
  );
  return new Map(fields.map(([name, field]) => [name, fieldOf(name, field, `messages[${i}].${name}`)]));
}

const fieldOf = (name: string, field: Message[string], path: string): unknown =>
  name === "tool_calls" && Array.isArray(field) ? callsOf(field, path) : checked(field, path);

/** Calls with their arguments as objects: templates write them as JSON. */
function callsOf(calls: readonly unknown[], path: string): unknown {
  refuseFault(faultInCalls(calls, undefined, path));
  const read = (calls as readonly Record<"function", Record<string, unknown>>[]).map((call) => ({
    ...call,
    function: { ...call.function, arguments: argumentsOf(call.function.arguments) },
  }));
  return json(read, path);
}

/** A value of JSON. @throws ChatTemplateError for another one, and for lone surrogates */
function json(value: unknown, path: string): unknown {
  if (value === null || value === undefined || typeof value === "boolean" || typeof value === "number") return value;
  if (typeof value === "string") return checked(value, path);
  if (Array.isArray(value)) return value.map((one, i) => json(one, `${path}[${i}]`));
  if (!isJsonObject(value)) throw new ChatTemplateError(`${path} must be a value of JSON, but is ${shown(value)}`);
  return new Map(
    Object.entries(value).map(([key, one]) => [checked(key, path), json(one, `${path}.${checked(key, path)}`)]),
  );
}

/** @throws ChatTemplateError for a value of the wrong kind, and for a lone surrogate, which a template might join with another */
function checked(field: unknown, path: string): unknown {
  if (field === undefined || typeof field === "boolean") return field;
  if (typeof field === "string") {
    if (isWellFormed(field)) return field;
    throw new ChatTemplateError(`${path} ${HAS_LONE_SURROGATE}`);
  }
  if (Array.isArray(field) && field.every(isTextPart))
    return field.map(({ type, text }) => ({ type, text: checked(text, path) }));
  throw new ChatTemplateError(
    `${path} must be a string, true or false, or a list of {"type": "text", "text"}, but is ${shown(field)}`,
  );
}

const isTextPart = (part: unknown): part is TextPart =>
  isJsonObject(part) && part.type === "text" && typeof part.text === "string";

/**
 * The chat template in a tokenizer's folder: `chat_template.jinja`, else `chat_template` in `tokenizer_config.json`, where a list has one
 * named `default`, and perhaps `tool_use` for conversations with tools.
 * @throws BidoraError if there is none, or it has a syntax error
 */
export function chatTemplateOf(settings: TokenizerSettings, hasTools: boolean): ChatTemplate {
  const tokens = SPECIAL_TOKENS.map((role) => [role, specialToken(settings, role)] as const);
  const named = tokens.filter((pair): pair is [(typeof SPECIAL_TOKENS)[number], string] => pair[1] !== undefined);
  const text = chatTemplateText(settings, hasTools);
  if (text !== undefined) return new ChatTemplate(text, new Map(named));
  throw new BidoraError(
    "CHAT_TEMPLATE",
    "Messages need a chat template, but the tokenizer has none: expected chat_template.jinja next to it, or chat_template " +
      'in tokenizer_config.json. Use an instruct model, or rows with "prompt" and "completion".',
  );
}

/** The text of the chat template; undefined if there is none. @throws BidoraError for a value of the wrong type */
export function chatTemplateText({ chatTemplate, config }: TokenizerSettings, hasTools: boolean): string | undefined {
  const { chat_template: listed } = config;
  if (chatTemplate !== undefined) return chatTemplate;
  if (typeof listed === "string") return listed;
  if (listed === undefined || listed === null) return undefined;
  const templates = Array.isArray(listed) ? listed.filter(isJsonObject) : [];
  const named = (wanted: string) => templates.findLast(({ name }) => name === wanted)?.template;
  const found = (hasTools ? named("tool_use") : undefined) ?? named("default");
  if (typeof found === "string") return found;
  throw new BidoraError(
    "CHAT_TEMPLATE",
    "tokenizer_config.json: chat_template must be a string, or a list of templates with one named default.",
  );
}

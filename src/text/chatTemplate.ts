import { BidoraError } from "../common/errors.js";
import { shown } from "../common/messages.js";
import { type Message, type TextPart, withReasoning } from "./conversation.js";
import { isJsonObject } from "./files.js";
import { TemplateFault } from "./jinja/fault.js";
import { parseTemplate, type Template } from "./jinja/parse.js";
import { type Rendered, renderTemplate } from "./jinja/render.js";
import type { Value } from "./jinja/values.js";
import { SPECIAL_TOKENS, specialToken, type TokenizerSettings } from "./settings.js";
import { HAS_HALF, isWhole } from "./surrogates.js";

/** A conversation as one text. */
export interface RenderedChat {
  readonly text: string;
  /** What the template says the assistant wrote, in UTF-16 units of the text; undefined where it says nothing of it. */
  readonly spoken: readonly (readonly [from: number, to: number])[] | undefined;
}

/** How a conversation is rendered. */
export interface RenderOptions {
  /** Whether the text ends with the start of an answer. */
  readonly addGenerationPrompt?: boolean;
  /** What a template takes for today. */
  readonly now?: Date;
}

/** A conversation that a chat template does not take. */
export class ChatTemplateError extends BidoraError {
  constructor(readonly fault: string) {
    super("CHAT_TEMPLATE", `The chat template does not take the conversation: ${fault}.`);
  }
}

/**
 * How a model wants conversations written: Jinja, with what transformers gives a template. Templates reach nothing but their
 * variables.
 */
export class ChatTemplate {
  private readonly template: Template;
  private readonly variables: ReadonlyMap<string, Value>;

  /**
   * @param specialTokens the tokenizer's, by role: `bos_token`, …
   * @throws BidoraError for a template that breaks Jinja's rules
   */
  constructor(source: string, specialTokens: ReadonlyMap<string, string>) {
    this.template = parsed(source);
    this.variables = new Map<string, Value>([...specialTokens, ["tools", null], ["documents", null]]);
  }

  /** @throws ChatTemplateError for a conversation that the template does not take */
  render(
    messages: readonly Message[],
    { addGenerationPrompt = false, now = new Date() }: RenderOptions = {},
  ): RenderedChat {
    const { text, generated } = this.write(messages, addGenerationPrompt, now);
    return { text, spoken: this.template.marksGeneration ? generated : undefined };
  }

  private write(messages: readonly Message[], addGenerationPrompt: boolean, now: Date): Rendered {
    if (messages.length === 0) throw new ChatTemplateError("there is no message in it");
    const variables = new Map(this.variables);
    variables.set("messages", messages.map(messageValue)).set("add_generation_prompt", addGenerationPrompt);
    try {
      return renderTemplate(this.template, variables, now);
    } catch (error) {
      if (error instanceof TemplateFault) throw new ChatTemplateError(error.message);
      throw error;
    }
  }
}

function parsed(source: string): Template {
  try {
    return parseTemplate(source);
  } catch (error) {
    if (!(error instanceof TemplateFault)) throw error;
    throw new BidoraError("CHAT_TEMPLATE", `The tokenizer's chat template can't be used: ${error.message}.`);
  }
}

const messageValue = (message: Message, i: number): Value =>
  new Map(
    Object.entries(withReasoning(message)).map(([name, field]) => [name, fieldOf(field, `messages[${i}].${name}`)]),
  );

/** @throws ChatTemplateError for what no message has, and for half of a character, to which a template might put the other half */
function fieldOf(field: unknown, place: string): Value {
  if (field === undefined || typeof field === "boolean") return field;
  if (typeof field === "string") {
    if (isWhole(field)) return field;
    throw new ChatTemplateError(`${place} ${HAS_HALF}`);
  }
  if (Array.isArray(field) && field.every(isTextPart))
    return field.map(({ type, text }) => new Map(Object.entries({ type, text: fieldOf(text, place) })));
  throw new ChatTemplateError(
    `${place} must be a text, true or false, or a list of {"type": "text", "text"}, but is ${shown(field)}`,
  );
}

const isTextPart = (part: unknown): part is TextPart =>
  isJsonObject(part) && part.type === "text" && typeof part.text === "string";

/**
 * The chat template of a tokenizer's folder: chat_template.jinja, else what tokenizer_config.json has, of several the default.
 * @throws BidoraError where there is none, or it can't be used
 */
export function chatTemplateOf(settings: TokenizerSettings): ChatTemplate {
  const tokens = SPECIAL_TOKENS.map((role) => [role, specialToken(settings, role)] as const);
  const named = tokens.filter((pair): pair is [(typeof SPECIAL_TOKENS)[number], string] => pair[1] !== undefined);
  const text = chatTemplateText(settings);
  if (text !== undefined) return new ChatTemplate(text, new Map(named));
  throw new BidoraError(
    "CHAT_TEMPLATE",
    "The tokenizer has no chat template, which messages need: expected chat_template.jinja beside it, or chat_template " +
      'in tokenizer_config.json. Take an instruct model, or give rows with "prompt" and "completion".',
  );
}

/** Its text as the folder has it; undefined where there is none. @throws BidoraError for one of the wrong kind */
export function chatTemplateText({ chatTemplate, config }: TokenizerSettings): string | undefined {
  const { chat_template: listed } = config;
  if (chatTemplate !== undefined) return chatTemplate;
  if (typeof listed === "string") return listed;
  if (listed === undefined || listed === null) return undefined;
  const templates = Array.isArray(listed) ? listed.filter(isJsonObject) : [];
  const found = templates.findLast(({ name }) => name === "default")?.template;
  if (typeof found === "string") return found;
  throw new BidoraError(
    "CHAT_TEMPLATE",
    "tokenizer_config.json: chat_template must be a text, or a list of templates with one named default.",
  );
}

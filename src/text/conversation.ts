// Conversations: messages, with the tools that the assistant may call and further variables of the chat template.

/** Part of a message's content. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

export const ROLES = ["system", "developer", "user", "assistant", "tool"] as const;

/** A function that the assistant may call, in OpenAI's form. */
export interface Tool {
  readonly type: "function";
  readonly function: {
    readonly name: string;
    readonly description?: string | undefined;
    /** A JSON Schema of the arguments, which are an object. */
    readonly parameters?: { readonly [keyword: string]: unknown } | undefined;
    readonly [field: string]: unknown;
  };
}

/** A call of a tool in an assistant's message. */
export interface ToolCall {
  readonly id?: string | undefined;
  readonly type?: "function" | undefined;
  readonly function: {
    readonly name: string;
    /** An object, or its JSON, as OpenAI has it. Templates are given the object. */
    readonly arguments: string | { readonly [name: string]: unknown };
  };
}

/** One message of a conversation. */
export interface Message {
  readonly role: (typeof ROLES)[number];
  /** An assistant's message with calls of tools may have none. */
  readonly content?: string | readonly TextPart[] | null | undefined;
  /** An assistant's calls of tools. Their results are messages of role `tool`, after it. */
  readonly tool_calls?: readonly ToolCall[] | undefined;
  /** Other fields that a chat template may read, such as `tool_call_id` or `reasoning_content`. */
  readonly [field: string]: string | boolean | null | readonly TextPart[] | readonly ToolCall[] | undefined;
}

/** All that a chat template renders. */
export interface Conversation {
  readonly messages: readonly Message[];
  /** What the assistant may call; without any it is a conversation without tools. */
  readonly tools?: readonly Tool[] | undefined;
  /** Further variables of the template, such as `enable_thinking`. */
  readonly chatTemplateKwargs?: Readonly<Record<string, unknown>> | undefined;
}

/** The same conversation with its first messages only. */
export const upTo = (conversation: Conversation, messages: number): Conversation => ({
  ...conversation,
  messages: conversation.messages.slice(0, messages),
});

/** The same conversation without tools. */
export function withoutTools({ tools: _, ...conversation }: Conversation): Conversation {
  return conversation;
}

/** A list of messages is a conversation without tools. */
export const asConversation = (given: Conversation | readonly Message[]): Conversation =>
  "messages" in given ? given : { messages: given };

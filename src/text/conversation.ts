/** Part of a message's content. */
export interface TextPart {
  readonly type: "text";
  readonly text: string;
}

export const ROLES = ["system", "developer", "user", "assistant", "tool"] as const;

/** What one side of a conversation says. */
export interface Message {
  readonly role: (typeof ROLES)[number];
  readonly content: string | readonly TextPart[];
  /** What else a chat template may look at, such as `reasoning_content`. */
  readonly [field: string]: string | boolean | readonly TextPart[];
}

/** Names of what was thought before something was said. The first is what templates look at. */
const REASONING = ["reasoning_content", "thinking", "reasoning"];

/** A message with its reasoning under the names that templates look for, as transformers has it. */
export function withReasoning(message: Message): Readonly<Record<string, Message[string]>> {
  const name = REASONING.find((field) => Object.hasOwn(message, field));
  if (name === undefined) return message;
  const reasoning = message[name] as Message[string];
  return { thinking: reasoning, ...message, reasoning_content: reasoning };
}

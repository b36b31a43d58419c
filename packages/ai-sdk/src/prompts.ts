/** The AI SDK's prompts as bidora's. */
import {
  InvalidPromptError,
  type LanguageModelV3Message,
  type LanguageModelV3Prompt,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import type { Message } from "bidora";

/** A conversation for the model's chat template. @throws UnsupportedFunctionalityError for anything but text */
export const messagesOf = (prompt: LanguageModelV3Prompt): Message[] => prompt.map(messageOf);

function messageOf(message: LanguageModelV3Message): Message {
  if (message.role === "tool") throw unsupported("tool messages");
  if (message.role === "system") return { role: "system", content: message.content };
  const [texts, reasoning] = [textsOf(message, "text"), textsOf(message, "reasoning")];
  return {
    role: message.role,
    // Separate parts of a user's message, such as two documents; those of an answer came in pieces.
    content: texts.join(message.role === "user" ? "\n" : ""),
    ...(reasoning.length > 0 && { reasoning_content: reasoning.join("") }),
  };
}

/** The texts of a message's parts of one type. */
function textsOf(message: Exclude<LanguageModelV3Message, { role: "system" | "tool" }>, wanted: "text" | "reasoning") {
  return message.content.flatMap((part) => {
    if (part.type === "text" || part.type === "reasoning") return part.type === wanted ? [part.text] : [];
    throw unsupported(part.type === "file" ? `files (${part.mediaType})` : `${part.type} parts`);
  });
}

const unsupported = (functionality: string) =>
  new UnsupportedFunctionalityError({
    functionality,
    message: `bidora's models read text only; the prompt has ${functionality}.`,
  });

/** The text to continue. @throws InvalidPromptError for a conversation */
export function textOf(prompt: LanguageModelV3Prompt): string {
  const [only, ...others] = messagesOf(prompt);
  if (only?.role === "user" && others.length === 0) return only.content as string;
  const message = "A completion model continues one text: give a prompt, without system message and conversation.";
  throw new InvalidPromptError({ prompt, message });
}

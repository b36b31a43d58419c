/** The AI SDK's prompts as bidora's. */
import {
  InvalidPromptError,
  type LanguageModelV3Message,
  type LanguageModelV3Prompt,
  type LanguageModelV3ToolResultOutput,
  UnsupportedFunctionalityError,
} from "@ai-sdk/provider";
import type { Message, ToolCall } from "bidora";

/** A conversation for the model's chat template. @throws UnsupportedFunctionalityError for files */
export const messagesOf = (prompt: LanguageModelV3Prompt): Message[] => prompt.flatMap(messagesIn);

function messagesIn(message: LanguageModelV3Message): Message[] {
  if (message.role === "system") return [{ role: "system", content: message.content }];
  if (message.role === "tool") return message.content.flatMap(resultIn);
  const [texts, reasoning] = [textsOf(message, "text"), textsOf(message, "reasoning")];
  const calls = message.role === "assistant" ? message.content.flatMap(callIn) : [];
  return [
    {
      role: message.role,
      // Separate parts of a user's message, such as two documents; those of an answer came in pieces.
      content: texts.join(message.role === "user" ? "\n" : ""),
      ...(reasoning.length > 0 && { reasoning_content: reasoning.join("") }),
      ...(calls.length > 0 && { tool_calls: calls }),
    },
  ];
}

function callIn(part: LanguageModelV3Part): ToolCall[] {
  if (part.type !== "tool-call") return [];
  const { toolCallId: id, toolName: name, input } = part;
  return [{ id, type: "function", function: { name, arguments: input as ToolCall["function"]["arguments"] } }];
}

function resultIn(part: LanguageModelV3Part): Message[] {
  if (part.type !== "tool-result") throw unsupported(`${part.type} parts`);
  const { toolCallId, toolName, output } = part;
  return [{ role: "tool", tool_call_id: toolCallId, name: toolName, content: resultText(output) }];
}

/** What the model reads of a tool's result: a text, or JSON. */
function resultText(output: LanguageModelV3ToolResultOutput): string {
  switch (output.type) {
    case "text":
    case "error-text":
      return output.value;
    case "json":
    case "error-json":
      return JSON.stringify(output.value);
    case "execution-denied":
      return output.reason ?? "The call was denied.";
    default:
      return output.value.map((part) => (part.type === "text" ? part.text : fileIn(part.type))).join("\n");
  }
}

function fileIn(type: string): never {
  throw unsupported(`a tool's result with ${type}`);
}

type LanguageModelV3Part = Exclude<LanguageModelV3Message, { role: "system" }>["content"][number];

/** The texts of a message's parts of one type. */
function textsOf(message: Exclude<LanguageModelV3Message, { role: "system" | "tool" }>, wanted: "text" | "reasoning") {
  return message.content.flatMap((part) => {
    if (part.type === "text" || part.type === "reasoning") return part.type === wanted ? [part.text] : [];
    if (part.type === "tool-call") return [];
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

// What is wrong with the tools, the calls and the results of a conversation.
import { isObject, own, shown } from "../base/index.js";
import type { Conversation, Message, Tool, ToolCall } from "./conversation.js";

/** The arguments of `apply_chat_template` that are not the template's variables. */
const RESERVED: readonly string[] = [
  ...["conversation", "messages", "tools", "chat_template", "add_generation_prompt", "continue_final_message"],
  ...["tokenize", "padding", "truncation", "max_length", "return_tensors", "return_dict", "tokenizer_kwargs"],
  "return_assistant_tokens_mask",
];

/** What is wrong with a list of tools, as a clause that begins with the place; undefined if nothing is. */
export function faultInTools(tools: unknown): string | undefined {
  if (!Array.isArray(tools)) return `tools must be a list of {"type": "function", "function"}, but is ${shown(tools)}`;
  const names = new Set<string>();
  for (const [i, tool] of tools.entries()) {
    const fault = faultInTool(tool, `tools[${i}]`);
    if (fault !== undefined) return fault;
    const { name } = (tool as Tool).function;
    if (names.has(name)) return `tools[${i}].function.name is ${shown(name)}, which another tool has too`;
    names.add(name);
  }
  return undefined;
}

function faultInTool(tool: unknown, place: string): string | undefined {
  const inner = isObject(tool) && own(tool, "type") === "function" ? own(tool, "function") : undefined;
  if (!isObject(inner))
    return `${place} must be {"type": "function", "function": {"name", "description", "parameters"}}, but is ${shown(tool)}`;
  const [name, description, parameters] = ["name", "description", "parameters"].map((key) => own(inner, key));
  if (typeof name !== "string" || name === "")
    return `${place}.function.name must be a string that is not empty, but is ${shown(name)}`;
  if (description !== undefined && description !== null && typeof description !== "string")
    return `${place}.function.description must be a string, but is ${shown(description)}`;
  if (parameters !== undefined && parameters !== null && !isObject(parameters))
    return `${place}.function.parameters must be a JSON schema, which is an object, but is ${shown(parameters)}`;
  return undefined;
}

/** What is wrong with further variables of a template; undefined if nothing is. */
export function faultInKwargs(kwargs: unknown): string | undefined {
  if (!isObject(kwargs)) return `chat_template_kwargs must be an object, but is ${shown(kwargs)}`;
  const reserved = Object.keys(kwargs).find((key) => RESERVED.includes(key));
  return reserved === undefined
    ? undefined
    : `chat_template_kwargs must not have ${reserved}, which is no variable of its own`;
}

/** What is wrong with a list of calls; undefined if nothing is. @param tools that may be called; undefined for any */
export function faultInCalls(calls: unknown, tools: readonly Tool[] | undefined, place: string): string | undefined {
  if (!Array.isArray(calls))
    return `${place} must be a list of {"type": "function", "function"}, but is ${shown(calls)}`;
  for (const [i, call] of calls.entries()) {
    const fault = faultInCall(call, tools, `${place}[${i}]`);
    if (fault !== undefined) return fault;
  }
  return undefined;
}

function faultInCall(call: unknown, tools: readonly Tool[] | undefined, place: string): string | undefined {
  const inner = isObject(call) ? own(call, "function") : undefined;
  if (!isObject(inner))
    return `${place} must be {"type": "function", "function": {"name", "arguments"}}, but is ${shown(call)}`;
  const { id, type } = call as { id?: unknown; type?: unknown };
  if (type !== undefined && type !== null && type !== "function")
    return `${place}.type must be "function", but is ${shown(type)}`;
  if (id !== undefined && id !== null && typeof id !== "string")
    return `${place}.id must be a string, but is ${shown(id)}`;
  const [name, given] = [own(inner, "name"), own(inner, "arguments")];
  if (typeof name !== "string") return `${place}.function.name must be a string, but is ${shown(name)}`;
  if (tools && !tools.some((tool) => tool.function.name === name))
    return `${place} calls ${shown(name)}, which is not among the tools: ${namesOf(tools)}`;
  if (argumentsOf(given) === undefined)
    return `${place}.function.arguments must be a JSON object, or the JSON text of one, but is ${shown(given)}`;
  return undefined;
}

const namesOf = (tools: readonly Tool[]): string =>
  tools.length === 0 ? "there are none" : tools.map((tool) => tool.function.name).join(", ");

/** The arguments of a call as an object; undefined if they are no JSON object. */
export function argumentsOf(given: unknown): Readonly<Record<string, unknown>> | undefined {
  if (typeof given !== "string") return isObject(given) ? given : undefined;
  try {
    const value: unknown = JSON.parse(given);
    return isObject(value) ? value : undefined;
  } catch {
    return undefined;
  }
}

/** What is wrong with the results of calls: each answers a call of the assistant's message before it. */
export function faultInResults({ messages }: Conversation): string | undefined {
  let open: readonly ToolCall[] = [];
  for (const [i, message] of messages.entries()) {
    if (message.role !== "tool") {
      open = message.tool_calls ?? [];
      continue;
    }
    const answered = callOf(message, open);
    if (!answered) return `messages[${i}] is a tool's result without a call: ${missingCall(message, open)}`;
    open = open.filter((call) => call !== answered);
  }
  return undefined;
}

/** The call that a result answers: the one of its id if both have one, else the next. */
function callOf({ tool_call_id: id }: Message, open: readonly ToolCall[]): ToolCall | undefined {
  const hasIds = typeof id === "string" && open.some((call) => typeof call.id === "string");
  return hasIds ? open.find((call) => call.id === id) : open[0];
}

const missingCall = ({ tool_call_id: id }: Message, open: readonly ToolCall[]): string =>
  typeof id === "string" && open.length > 0
    ? `no open call of the message before has the id ${shown(id)}`
    : "put it after an assistant's message whose tool_calls it answers";

/** The columns of a conversation besides its messages: `tools` and `chat_template_kwargs`. */
import { own } from "../../base/index.js";
import {
  type Conversation,
  faultInCalls,
  faultInKwargs,
  faultInResults,
  faultInTools,
  type Tool,
} from "../../text/index.js";
import { type TableRow, written } from "./table.js";

type ErrorOf = (fault: string) => Error;

export const isThere = (value: unknown): boolean => value !== undefined && value !== null;

export const shownValue = (value: unknown): string => (value === undefined ? "missing" : written(value));

/**
 * A row's tools and further variables of the template: lists and objects, or their JSON, as columns of Parquet and CSV have it. An empty
 * list is no tools.
 * @throws an error for what is none
 */
export function rowTools(values: TableRow["values"], error: ErrorOf): Omit<Conversation, "messages"> {
  const tools = jsonOf(own(values, "tools"), "tools", error);
  const kwargs = jsonOf(own(values, "chat_template_kwargs"), "chat_template_kwargs", error);
  const fault =
    (isThere(tools) ? faultInTools(tools) : undefined) ?? (isThere(kwargs) ? faultInKwargs(kwargs) : undefined);
  if (fault !== undefined) throw error(`${fault}.`);
  const hasTools = Array.isArray(tools) && tools.length > 0;
  return {
    ...(hasTools && { tools: tools as readonly Tool[] }),
    ...(isThere(kwargs) && { chatTemplateKwargs: kwargs as Readonly<Record<string, unknown>> }),
  };
}

function jsonOf(value: unknown, column: string, error: ErrorOf): unknown {
  if (typeof value !== "string") return value;
  if (value.trim() === "") return undefined;
  try {
    return JSON.parse(value);
  } catch {
    throw error(`${column} must be JSON, but is ${shownValue(value)}.`);
  }
}

/** @throws an error for a call of a tool that the conversation does not have, and for a result without a call */
export function checkCalls(conversation: Conversation, error: ErrorOf): void {
  const { messages, tools = [] } = conversation;
  for (const [i, { tool_calls: calls }] of messages.entries()) {
    const fault = calls && faultInCalls(calls, tools, `messages[${i}].tool_calls`);
    if (fault !== undefined) throw error(`${fault}.`);
  }
  const fault = faultInResults(conversation);
  if (fault !== undefined) throw error(`${fault}.`);
}

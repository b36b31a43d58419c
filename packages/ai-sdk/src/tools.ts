/** The AI SDK's tools as bidora's, and calls as the AI SDK's. */
import type {
  LanguageModelV3CallOptions,
  LanguageModelV3Content,
  LanguageModelV3StreamPart,
  SharedV3Warning,
} from "@ai-sdk/provider";
import type { CallPiece, ReadCall, Tool, ToolChoice } from "bidora";
import { warning } from "./callSettings.js";

/** The tools of a call and which of them the answer may call; without tools, no choice. */
interface CallTools {
  readonly tools: readonly Tool[];
  readonly toolChoice: ToolChoice | undefined;
  readonly warnings: SharedV3Warning[];
}

export function toolsOf({ tools = [], toolChoice, responseFormat }: LanguageModelV3CallOptions): CallTools {
  const own = tools.flatMap((tool): Tool[] => {
    if (tool.type !== "function") return [];
    const { name, description, inputSchema } = tool;
    const parameters = inputSchema as Tool["function"]["parameters"];
    return [{ type: "function", function: { name, ...(description !== undefined && { description }), parameters } }];
  });
  const others = tools.filter((tool) => tool.type !== "function").map((tool) => warning(`tool ${tool.name}`));
  const isJson = responseFormat?.type === "json" && own.length > 0 && toolChoice?.type !== "none";
  if (own.length === 0 || isJson)
    return {
      ...{ tools: [], toolChoice: undefined },
      warnings: [...others, ...(isJson ? [warning("tools", "an answer that is JSON calls no tools")] : [])],
    };
  const choice = toolChoice?.type === "tool" ? { name: toolChoice.toolName } : (toolChoice?.type ?? "auto");
  return { tools: own, toolChoice: choice, warnings: others };
}

export const callContent = ({ id, function: { name, arguments: input } }: ReadCall): LanguageModelV3Content => ({
  ...{ type: "tool-call", toolCallId: id, toolName: name, input },
});

/** Turns the parts of calls into those of a stream. */
export class CallParts {
  readonly #calls: { id: string; name: string; input: string }[] = [];

  /** How many calls there are. */
  get count(): number {
    return this.#calls.length;
  }

  *of(pieces: readonly CallPiece[]): Generator<LanguageModelV3StreamPart> {
    for (const { index, id = "", name, arguments: delta } of pieces) {
      if (name !== undefined) {
        yield* this.end();
        this.#calls[index] = { id, name, input: "" };
        yield { type: "tool-input-start", id, toolName: name };
      }
      const call = this.#calls[index] as { id: string; input: string };
      call.input += delta;
      if (delta !== "") yield { type: "tool-input-delta", id: call.id, delta };
    }
  }

  /** The end of the last call, which is then complete. @param isCutOff whether the answer ended within it */
  *end(isCutOff = false): Generator<LanguageModelV3StreamPart> {
    const call = this.#calls.at(-1);
    if (!call || this.#ended === this.#calls.length) return;
    this.#ended = this.#calls.length;
    yield { type: "tool-input-end", id: call.id };
    if (!isCutOff || isJson(call.input))
      yield { type: "tool-call", toolCallId: call.id, toolName: call.name, input: call.input };
  }

  #ended = 0;
}

export function isJson(text: string): boolean {
  try {
    JSON.parse(text);
    return true;
  } catch {
    return false;
  }
}

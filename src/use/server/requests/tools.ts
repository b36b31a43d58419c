/** The parameters of conversations about tools. */
import { z } from "zod";
import { faultInCalls, faultInKwargs, faultInTools, type Tool } from "../../../text/index.js";
import type { ToolChoice } from "../../toolCalls/enforcing.js";
import { invalid } from "../apiError.js";
import type { GenerationRequest } from "./generation.js";
import { listOf } from "./inputs.js";

/** OpenAI's number. */
const MOST_TOOLS = 128;

/** The most bytes of the parameters of one tool: those of a schema. */
const MOST_SCHEMA = 2 ** 16;

/** The most bytes of all tools, and of further variables: the template writes them while others wait. */
const MOST_BYTES = 2 ** 18;

/** A value with a check that says what is wrong with it. */
const checked = <Value extends z.ZodType>(value: Value, faultIn: (value: unknown) => string | undefined) =>
  value.superRefine((given, context) => {
    const fault = faultIn(given);
    if (fault !== undefined) context.addIssue({ code: "custom", message: `is wrong: ${fault}` });
  });

/** An assistant's calls. */
export const calls = checked(listOf(z.unknown()), (given) => faultInCalls(given, undefined, "tool_calls"));

const tools = checked(
  listOf(z.unknown(), { least: 0, most: MOST_TOOLS }),
  (given) => faultInTools(given) ?? tooLarge(given as readonly Tool[]),
);

/** Infinite for a value that is nested too deeply to be written. */
function bytesOf(value: unknown): number {
  try {
    return Buffer.byteLength(JSON.stringify(value));
  } catch (error) {
    if (error instanceof RangeError) return Number.POSITIVE_INFINITY;
    throw error;
  }
}

function tooLarge(given: readonly Tool[]): string | undefined {
  const all = bytesOf(given);
  if (all > MOST_BYTES) return `tools has ${all} bytes of JSON, and the most is ${MOST_BYTES}`;
  for (const [i, tool] of given.entries()) {
    const bytes = bytesOf(tool.function.parameters ?? {});
    if (bytes > MOST_SCHEMA)
      return `tools[${i}].function.parameters has ${bytes} bytes of JSON, and the most is ${MOST_SCHEMA}`;
  }
  return undefined;
}

export const toolKeys = {
  tools: tools.optional(),
  tool_choice: z
    .union(
      [
        z.enum(["none", "auto", "required"]),
        z.strictObject({ type: z.literal("function"), function: z.strictObject({ name: z.string() }) }),
      ],
      '"none", "auto", "required", or {"type": "function", "function": {"name"}}',
    )
    .optional(),
  parallel_tool_calls: z.boolean().optional(),
  chat_template_kwargs: checked(
    z.record(z.string(), z.unknown()),
    (given) =>
      faultInKwargs(given) ??
      (bytesOf(given) > MOST_SCHEMA ? `it has more than ${MOST_SCHEMA} bytes of JSON` : undefined),
  ).optional(),
};

const schema = z.object(toolKeys);

type ToolRequest = z.infer<typeof schema> & Pick<GenerationRequest, "response_format">;

/** @throws ApiError 400 for parameters that contradict each other */
export function checkToolRequest(request: ToolRequest): void {
  const { tool_choice: choice, parallel_tool_calls: parallel, response_format: format } = request;
  const own = toolsIn(request);
  if (own.length === 0 && choice !== undefined && choice !== "none" && choice !== "auto")
    throw invalid("tool_choice is for requests with tools: give tools, or leave it out.", "tool_choice");
  if (own.length === 0 && parallel !== undefined)
    throw invalid("parallel_tool_calls is for requests with tools: leave it out.", "parallel_tool_calls");
  if (typeof choice === "object" && !own.some((tool) => tool.function.name === choice.function.name))
    throw invalid(
      `tool_choice names ${JSON.stringify(choice.function.name)}, which is not among the tools.`,
      "tool_choice",
    );
  if (own.length > 0 && choice !== "none" && format !== undefined && format.type !== "text")
    throw invalid(
      "response_format is not served with tools, whose calls are another format: leave one out, or give tool_choice none.",
      "response_format",
    );
}

export const toolsIn = ({ tools: given = [] }: ToolRequest): readonly Tool[] => given as readonly Tool[];

/** The choice of a request; `none` without tools. */
export function choiceIn(request: ToolRequest): ToolChoice {
  const { tool_choice: choice = "auto" } = request;
  if (toolsIn(request).length === 0) return "none";
  return typeof choice === "object" ? { name: choice.function.name } : choice;
}

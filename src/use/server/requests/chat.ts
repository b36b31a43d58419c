/** Requests for `/v1/chat/completions`. */
import { z } from "zod";
import { faultInResults, type Message, ROLES } from "../../../text/index.js";
import { invalid } from "../apiError.js";
import { checkGenerationRequest, generationKeys } from "./generation.js";
import { aText, listOf } from "./inputs.js";
import { readBody } from "./read.js";
import { calls, checkToolRequest, toolKeys } from "./tools.js";

const aPart = z.strictObject({ type: z.literal("text"), text: aText });

const CONTENTS = "a string, or a list of parts of type text";

/** Parts become one text, one a line as in vLLM and llama.cpp: most templates would write a list as Python prints it. */
const aContent = z.union([aText, listOf(aPart).transform((parts) => parts.map(({ text }) => text).join("\n"))], {
  error: CONTENTS,
});

/** A message, with other fields that a chat template may read. A field that is null counts as absent. */
const aMessage = z.preprocess(
  (message) =>
    typeof message === "object" && message !== null && !Array.isArray(message)
      ? Object.fromEntries(Object.entries(message).filter(([, value]) => value !== null))
      : message,
  z
    .object({ role: z.enum(ROLES), content: aContent.optional(), tool_calls: calls.optional() })
    .catchall(
      z.union([aText, z.boolean()], "a string, true or false, as a field of a message besides role and content"),
    )
    .superRefine(({ role, content, tool_calls }, context) => {
      if (content === undefined && (role !== "assistant" || !tool_calls))
        context.addIssue({ code: "invalid_union", errors: [], input: content, message: CONTENTS, path: ["content"] });
      if (tool_calls && role !== "assistant")
        context.addIssue({ code: "custom", message: "is for messages of the assistant", path: ["tool_calls"] });
    }),
);

const schema = z.strictObject({
  ...generationKeys,
  ...toolKeys,
  messages: listOf(aMessage),
  max_tokens: z.int().min(1).optional(),
  max_completion_tokens: z.int().min(1).optional(),
  logprobs: z.boolean().default(false),
  top_logprobs: z.int().min(0).max(20).optional(),
});

export type ChatRequest = Omit<z.infer<typeof schema>, "messages"> & { readonly messages: readonly Message[] };

/** @throws ApiError 400 */
export function readChat(body: unknown): ChatRequest {
  const request = readBody(schema, body);
  checkGenerationRequest(request, 1);
  checkToolRequest(request);
  const fault = faultInResults(request as Pick<ChatRequest, "messages">);
  if (fault !== undefined) throw invalid(`${fault}.`, "messages");
  if (request.top_logprobs !== undefined && !request.logprobs)
    throw invalid("top_logprobs is for logprobs: true: leave it out.", "top_logprobs");
  if (request.max_tokens !== undefined && request.max_completion_tokens !== undefined)
    throw invalid("max_tokens and max_completion_tokens are the same: give one of them.", "max_tokens");
  return request as ChatRequest;
}

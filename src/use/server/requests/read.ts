/** Reading the body of a request: a parameter is checked, or refused by name, never ignored. */
import type { z } from "zod";
import { isObject, own, shown } from "../../../base/index.js";
import { type ApiError, invalid } from "../apiError.js";
import { sentenceOf } from "./sentences.js";

/** Values with which a parameter that is not served changes nothing. Clients send some of these without being asked. */
const NEUTRAL: Readonly<Record<string, (value: unknown) => boolean>> = {
  frequency_penalty: (value) => value === 0,
  presence_penalty: (value) => value === 0,
  logit_bias: isEmpty,
  best_of: (value) => value === 1,
  suffix: (value) => value === "",
  tools: isEmpty,
  tool_choice: (value) => value === "none",
  store: (value) => value === false,
  // It names the end user, for statistics.
  user: (value) => typeof value === "string",
};

function isEmpty(value: unknown): boolean {
  return typeof value === "object" && value !== null && Object.keys(value).length === 0;
}

/**
 * Reads a body. A parameter that is null counts as absent.
 * @throws ApiError 400 naming the parameter
 */
export function readBody<Schema extends z.ZodType>(schema: Schema, body: unknown): z.infer<Schema> {
  if (!isObject(body)) throw invalid(`The body must be a JSON object; got ${shown(body)}.`);
  const given = Object.entries(body).filter(([key, value]) => value !== null && !own(NEUTRAL, key)?.(value));
  const result = schema.safeParse(Object.fromEntries(given));
  if (result.success) return result.data;
  throw refusal(result.error.issues[0] as z.core.$ZodIssue, body);
}

function refusal(issue: z.core.$ZodIssue, body: unknown): ApiError {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const param = [...path, issue.keys[0]].join(".");
    return invalid(`${param} is not served: leave it out.`, param, "unsupported_parameter");
  }
  const param = path.join(".");
  return invalid(sentenceOf(issue, param, body), param);
}

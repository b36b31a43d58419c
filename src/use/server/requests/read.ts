/** Reading the body of a request: a parameter is checked, or refused by name, never ignored. */
import { z } from "zod";
import { isObject, own, shown } from "../../../base/index.js";
import { type ApiError, invalid } from "../apiError.js";

type Issue = z.core.$ZodIssue;

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
  const isServed = (key: string) => schema instanceof z.ZodObject && Object.hasOwn(schema.shape, key);
  const given = Object.entries(body).filter(
    ([key, value]) => value !== null && (isServed(key) || !own(NEUTRAL, key)?.(value)),
  );
  const result = schema.safeParse(Object.fromEntries(given));
  if (result.success) return result.data;
  throw refusal(result.error.issues[0]!, body);
}

function refusal(issue: Issue, body: unknown): ApiError {
  const path = issue.path.map(String);
  if (issue.code === "unrecognized_keys") {
    const param = [...path, issue.keys[0]].join(".");
    return invalid(`${param} is not served: leave it out.`, param, "unsupported_parameter");
  }
  const param = path.join(".");
  return invalid(sentenceOf(issue, param, body), param);
}

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

/** What is wrong with a parameter: what it takes, and what came. @param name of the parameter, with those that it is part of @param body that has it */
function sentenceOf(issue: Issue, name: string, body: unknown): string {
  const fault = faultOf(issue);
  if (fault !== undefined) return `${name} ${fault}.`;
  const value = issue.path.reduce<unknown>(valueIn, body);
  if (value === undefined) return `${name} is missing: it takes ${taken(issue)}.`;
  return `${name} takes ${taken(issue)}; got ${shown(value)}.`;
}

function valueIn(at: unknown, key: PropertyKey): unknown {
  if (Array.isArray(at)) return at[Number(key)];
  return isObject(at) ? own(at, String(key)) : undefined;
}

/** What a check of our own says of a value, or undefined. A text with a fault of its own says more than that it is none of several alternatives. */
function faultOf(issue: Issue): string | undefined {
  const issues = issue.code === "invalid_union" ? issue.errors.flat() : [issue];
  return issues.find(({ code }) => code === "custom")?.message;
}

/** What a parameter takes, as far as the issue says. */
function taken(issue: Issue): string {
  switch (issue.code) {
    case "invalid_type":
      return own(TYPES, issue.expected) ?? issue.expected;
    case "too_small":
      return ofSize(issue.origin, issue.inclusive ? "at least" : "more than", issue.minimum);
    case "too_big":
      return ofSize(issue.origin, issue.inclusive ? "at most" : "less than", issue.maximum);
    case "invalid_value":
      return issue.values.map((value) => JSON.stringify(value)).join(" or ");
    default:
      // The alternatives of a union are described where it is declared.
      return issue.message;
  }
}

function ofSize(origin: string, relation: string, size: number | bigint): string {
  if (origin === "string") return `a string of ${relation} ${size} ${size === 1 ? "character" : "characters"}`;
  if (origin === "array") return `a list of ${relation} ${size} ${size === 1 ? "entry" : "entries"}`;
  return `${origin === "int" ? "a whole number" : "a number"} of ${relation} ${size}`;
}

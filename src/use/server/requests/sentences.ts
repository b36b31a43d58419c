/** What is wrong with a parameter, as one sentence: what it takes, and what came. */
import type { z } from "zod";
import { isObject, own, shown } from "../../../base/index.js";

type Issue = z.core.$ZodIssue;

const TYPES: Readonly<Record<string, string>> = {
  string: "a string",
  number: "a number",
  int: "a whole number",
  boolean: "true or false",
  array: "a list",
  object: "an object",
  record: "an object",
};

/** @param name of the parameter, with those that it is part of @param body that has it */
export function sentenceOf(issue: Issue, name: string, body: unknown): string {
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

// The grammar of the arguments of calls of tools.

import { isObject } from "../../../base/index.js";
import { GrammarText, type SchemaText, written } from "./jsonGrammar.js";
import { oneOfWays } from "./literalRules.js";
import { ANNOTATIONS, KEYWORDS } from "./schemaKeywords.js";

/**
 * The grammar of calls of tools: a tool's number and a colon, then JSON by the schema of its parameters.
 * @param tools in OpenAI's form, whose references begin at their own parameters
 * @throws BidoraError `JSON_SCHEMA` as `jsonGrammar`, with the place in the list
 */
export const callsGrammar = (tools: readonly CalledTool[]): string => written(() => textOf(tools));

function textOf(tools: readonly CalledTool[]): string {
  const own = tools.map((tool, i) => ({ function: { parameters: rebased(parametersOf(tool), placeOf(i)) } }));
  const ways = (of: SchemaText, rule: (text: string) => string) =>
    oneOfWays(
      own.map((tool, i) => ({
        text: `${i}:`,
        after: rule(`ws ${of(tool.function.parameters, ["tools", `${i}`, "function", "parameters"])}`),
      })),
      rule,
    );
  return new GrammarText({ tools: own }, ways).text;
}

/** A tool as far as grammars know it. */
export interface CalledTool {
  readonly function: { readonly parameters?: unknown };
}

const placeOf = (tool: number): string => `#/tools/${tool}/function/parameters`;

/** Arguments are an object. A tool without parameters takes an empty one. */
function parametersOf({ function: { parameters } }: CalledTool): unknown {
  if (!isObject(parameters)) return { type: "object", additionalProperties: false };
  const isPlain = Object.keys(parameters).every((key) => ANNOTATIONS.includes(key) || KEYWORDS.object.includes(key));
  return isPlain ? { ...parameters, type: "object" } : parameters;
}

/** Keywords whose values are no schemas. */
const VALUES: readonly string[] = ["const", "enum", "default", "examples"];

/** A schema whose references begin at its place in a larger one. */
function rebased(schema: unknown, place: string): unknown {
  if (Array.isArray(schema)) return schema.map((one) => rebased(one, place));
  if (!isObject(schema)) return schema;
  const entries = Object.entries(schema).map(([key, value]) => {
    if (key === "$ref" && typeof value === "string") return [key, value.replace(/^#/, place)];
    return [key, VALUES.includes(key) ? value : rebased(value, place)];
  });
  return Object.fromEntries(entries);
}

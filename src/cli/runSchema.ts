/** The JSON Schema of run files, for editors: from the same tables of options as the command line. */
import * as z from "zod";
import { compareOptions } from "../comparison/compareOptions.js";
import { methodKeys, taskKeys, variantNames } from "../comparison/spec.js";
import { runOptions } from "../config/index.js";
import { separated } from "../settings/kinds.js";
import type { Option, OptionTable } from "../settings/option.js";
import { defaultText, helpText } from "./help.js";

type JsonSchema = z.core.JSONSchema.JSONSchema;

/** The text of `schema/run.schema.json`: the files that `finetune` and `compare` take. */
export function renderRunSchema(): string {
  const all: OptionTable = { ...runOptions, ...compareOptions, ...runOptions };
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "bidora run",
    description: "The settings of a run of bidora finetune, or of a comparison of bidora compare",
    type: ["object", "null"],
    properties: mapValues(all, (option, key) => orNull(schemaOf(key, option))),
    additionalProperties: false,
    ...eitherRunOrComparison(),
    definitions: {
      task: settingsIn(all, taskKeys, {
        name: { type: "string", minLength: 1, description: "the task's name in tables and folders" },
      }),
      method: settingsIn(all, methodKeys),
    },
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}

/** A comparison sets some settings of its runs itself. */
function eitherRunOrComparison(): JsonSchema {
  const without = (table: OptionTable, other: OptionTable) =>
    Object.keys(table).filter((key) => !Object.hasOwn(other, key));
  const ofRuns = without(runOptions, compareOptions);
  return {
    if: { anyOf: without(compareOptions, runOptions).map((key) => ({ required: [key] })) },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: Object.fromEntries(ofRuns.map((key) => [key, false])) },
  };
}

/** Settings of a task or a method of a comparison, where nothing may be empty. */
const settingsIn = (
  all: OptionTable,
  keys: readonly string[],
  others: Record<string, JsonSchema> = {},
): JsonSchema => ({
  type: "object",
  properties: { ...others, ...Object.fromEntries(keys.map((key) => [key, schemaOf(key, all[key] as Option)])) },
  additionalProperties: false,
});

const wordsOf = (words: readonly string[]): JsonSchema => ({ type: "string", enum: [...words] });

/** Words separated by commas. */
const separatedWords = (words: readonly string[]): JsonSchema => ({
  type: "string",
  pattern: separated(`(${words.join("|").replaceAll("+", "\\+")})`),
});

/** Values that the table of options leaves open, because they have checks of their own. */
const CHECKED: Readonly<Record<string, JsonSchema>> = {
  methods: {
    anyOf: [{ type: "array", minItems: 1, items: wordsOf(variantNames) }, separatedWords(variantNames)],
  },
  tasks: {
    anyOf: [
      {
        type: "array",
        minItems: 1,
        items: { anyOf: [wordsOf(runOptions.task.words), { $ref: "#/definitions/task" }] },
      },
      separatedWords(runOptions.task.words),
    ],
  },
  perMethod: {
    type: "object",
    propertyNames: wordsOf(variantNames),
    additionalProperties: { $ref: "#/definitions/method" },
  },
};

function schemaOf(key: string, option: Option): JsonSchema {
  const { $schema: _, ...values } = z.toJSONSchema(option.schema as z.ZodType, { target: "draft-7" });
  return {
    description: descriptionOf(option),
    ...(CHECKED[key] ?? withTexts(values, option.textPattern)),
    ...(option.default !== undefined && { default: option.default as JsonSchema["default"] }),
  };
}

function descriptionOf(option: Option): string {
  const text = defaultText(option);
  return text === "" ? helpText(option) : `${helpText(option)} (${text})`;
}

/** Lists and mappings can be written as texts. */
function withTexts(values: JsonSchema, pattern: string | undefined): JsonSchema {
  if (pattern === undefined) return values;
  const others = (values.anyOf ?? [values]).filter((one) => (one as JsonSchema).type !== "string");
  return { anyOf: [...others, { type: "string", pattern }] };
}

/** A key without a value counts as absent. */
function orNull(schema: JsonSchema): JsonSchema {
  if (schema.anyOf) return { ...schema, anyOf: [...schema.anyOf, { type: "null" }] };
  return {
    ...schema,
    type: [schema.type, "null"] as unknown as "null",
    ...(schema.enum && { enum: [...schema.enum, null] }),
  };
}

const mapValues = <V, W>(table: Readonly<Record<string, V>>, map: (value: V, key: string) => W): Record<string, W> =>
  Object.fromEntries(Object.entries(table).map(([key, value]) => [key, map(value, key)]));

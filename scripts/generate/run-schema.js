// Writes schema/run.schema.json, the JSON Schema of run files for editors, from the option tables of the built command line; with
// --check only compares.
import { existsSync, mkdirSync, readFileSync, writeFileSync } from "node:fs";
import * as z from "zod";
import { defaultText, helpText } from "../../build/js/app/cli/help.js";
import { separated } from "../../build/js/base/settings/kinds.js";
import { compareOptions } from "../../build/js/studies/comparison/spec/compareOptions.js";
import { methodKeys, taskKeys } from "../../build/js/studies/comparison/spec/specTasks.js";
import { variantNames } from "../../build/js/studies/comparison/spec/variants.js";
import { runOptions } from "../../build/js/tasks/config/index.js";

/** The text of `schema/run.schema.json`: the files that `finetune` and `compare` take. */
function renderRunSchema() {
  const all = { ...runOptions, ...compareOptions, ...runOptions };
  const schema = {
    $schema: "http://json-schema.org/draft-07/schema#",
    title: "bidora run",
    description: "The settings of a run of bidora finetune, or of a comparison of bidora compare",
    type: ["object", "null"],
    properties: mapValues(all, (option, key) => orNull(schemaOf(key, option))),
    additionalProperties: false,
    allOf: [eitherRunOrComparison(), ownMethods()],
    definitions: {
      task: settingsIn(all, taskKeys, {
        name: { type: "string", minLength: 1, description: "the task's name in tables and folders" },
        perMethod: { ...OF_METHODS, description: "settings of single methods on this task" },
        mainMetric: schemaOf("mainMetric", all.mainMetric),
      }),
      method: settingsIn(all, methodKeys),
      tunedMethod: settingsIn(all, methodKeys, { tune: schemaOf("tune", all.tune), grid: schemaOf("grid", all.grid) }),
      definedMethod: {
        ...settingsIn(all, methodKeys, {
          name: { type: "string", minLength: 1, description: "the method's name in tables and folders" },
          method: { ...wordsOf(variantNames), description: "what it is" },
        }),
        required: ["name", "method"],
      },
    },
  };
  return `${JSON.stringify(schema, null, 2)}\n`;
}
/** A comparison sets some settings of its runs itself. */
function eitherRunOrComparison() {
  const without = (table, other) => Object.keys(table).filter((key) => !Object.hasOwn(other, key));
  const ofRuns = without(runOptions, compareOptions);
  return {
    if: { anyOf: without(compareOptions, runOptions).map((key) => ({ required: [key] })) },
    // biome-ignore lint/suspicious/noThenProperty: a keyword of JSON Schema
    then: { properties: Object.fromEntries(ofRuns.map((key) => [key, false])) },
  };
}
/** Only a file that defines methods can have settings of methods with other names than bidora's. */
function ownMethods() {
  return {
    if: { required: ["methods"], properties: { methods: { type: "array", contains: { type: "object" } } } },
    else: { properties: { perMethod: { type: ["object", "null"], propertyNames: wordsOf(variantNames) } } },
  };
}
/** Settings of a task or a method of a comparison, where nothing may be empty. */
const settingsIn = (all, keys, others = {}) => ({
  type: "object",
  properties: { ...others, ...Object.fromEntries(keys.map((key) => [key, schemaOf(key, all[key])])) },
  additionalProperties: false,
});
const wordsOf = (words) => ({ type: "string", enum: [...words] });
/** Words separated by commas. */
const separatedWords = (words) => ({
  type: "string",
  pattern: separated(`(${words.join("|").replaceAll("+", "\\+")})`),
});
/** Settings by method. */
const OF_METHODS = { type: "object", additionalProperties: { $ref: "#/definitions/method" } };
/** Values that the table of options leaves open, because they have checks of their own. */
const CHECKED = {
  methods: {
    anyOf: [
      {
        type: "array",
        minItems: 1,
        items: {
          anyOf: [
            wordsOf(variantNames),
            { type: "string", pattern: "\\+es$" },
            { $ref: "#/definitions/definedMethod" },
          ],
        },
      },
      separatedWords(variantNames),
    ],
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
  perMethod: { type: "object", additionalProperties: { $ref: "#/definitions/tunedMethod" } },
};
function schemaOf(key, option) {
  const { $schema: _, ...values } = z.toJSONSchema(option.schema, { target: "draft-7" });
  return {
    description: descriptionOf(option),
    ...(CHECKED[key] ?? withTexts(values, option.textPattern)),
    ...(option.default !== undefined && { default: option.default }),
  };
}
function descriptionOf(option) {
  const text = defaultText(option);
  return text === "" ? helpText(option) : `${helpText(option)} (${text})`;
}
/** Lists and mappings can be written as texts. */
function withTexts(values, pattern) {
  if (pattern === undefined) return values;
  const others = (values.anyOf ?? [values]).filter((one) => one.type !== "string");
  return { anyOf: [...others, { type: "string", pattern }] };
}
/** A key without a value counts as absent. */
function orNull(schema) {
  if (schema.anyOf) return { ...schema, anyOf: [...schema.anyOf, { type: "null" }] };
  return {
    ...schema,
    type: [schema.type, "null"],
    ...(schema.enum && { enum: [...schema.enum, null] }),
  };
}
const mapValues = (table, map) =>
  Object.fromEntries(Object.entries(table).map(([key, value]) => [key, map(value, key)]));

const path = new URL("../../schema/run.schema.json", import.meta.url);
const text = renderRunSchema();
if (!process.argv.includes("--check")) {
  mkdirSync(new URL(".", path), { recursive: true });
  writeFileSync(path, text);
} else if (!existsSync(path) || readFileSync(path, "utf8") !== text) {
  console.error("schema/run.schema.json is out of date; run: npm run generate");
  process.exitCode = 1;
}

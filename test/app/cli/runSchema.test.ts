// The JSON Schema of run files says what the program says.
import { readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { fileURLToPath } from "node:url";
import { Ajv } from "ajv";
import fc from "fast-check";
import { describe, expect, test } from "vitest";
import { parse, stringify } from "yaml";
import type { Option } from "../../../src/base/settings/option.js";
import { compareOptions } from "../../../src/studies/comparison/spec/compareOptions.js";
import { readSpec } from "../../../src/studies/comparison/spec/spec.js";
import { readRunFile, runOptions } from "../../../src/tasks/config/index.js";
import { freshPath } from "../../support/workFolder.js";

const ROOT = fileURLToPath(new URL("../../../", import.meta.url));
const validate = new Ajv({ allowUnionTypes: true }).compile(
  JSON.parse(readFileSync(join(ROOT, "schema/run.schema.json"), "utf8")) as object,
);
const isValid = (settings: unknown): boolean => validate(settings) as boolean;

/** A file that the program reads. */
function fileOf(text: string): string {
  const path = freshPath("run.yaml");
  writeFileSync(path, text);
  return path;
}

const accepts = (read: () => unknown): boolean => {
  try {
    read();
    return true;
  } catch {
    return false;
  }
};

const isRun = (text: string): boolean => accepts(() => readRunFile(fileOf(text)));
const isComparison = (text: string): boolean => accepts(() => readSpec({ task: "glue/mrpc" }, fileOf(text)));

describe("files that the program takes", () => {
  const files = ["examples", "docs", "test/golden/earlier"].flatMap((folder) =>
    readdirSync(join(ROOT, folder), { recursive: true, encoding: "utf8" }).map((name) => join(folder, name)),
  );
  const runFiles = files.filter((name) => name.endsWith(".yaml") && !name.startsWith("examples/cluster"));
  const blocks = files
    .filter((name) => name.endsWith(".md"))
    .flatMap((name) => Array.from(readFileSync(join(ROOT, name), "utf8").matchAll(/^```yaml\n([\s\S]*?)^```/gm)))
    .map(([, block]) => block!);

  test.each(runFiles)("%s", (file) => {
    expect(isValid(parse(readFileSync(join(ROOT, file), "utf8"))), JSON.stringify(validate.errors)).toBe(true);
  });

  test.each(blocks)("in the documentation: %s", (block) => {
    expect(isValid(parse(block)), JSON.stringify(validate.errors)).toBe(true);
  });

  test.each([
    ["an empty file", ""],
    ["a run", "model: bert\ntask: regression\nepochs: 0.5"],
    [
      "lists as texts",
      "textColumns: a, b\nlabelColumn: c\ntargetModules: query,value\nseeds: 0,1\nmethods: lora,lora+es",
    ],
    ["a key without a value", "model: bert\nmaxSteps:\nmethod:\ntargetModules:"],
    ["a comparison", "methods: [lora, bidora-folds]\nseeds: [0]\ngrid: {rank: [4, 8]}\nperMethod: {lora: {rank: 4}}"],
    [
      "methods with settings",
      "methods: [dora, {name: near, method: dora+es, normGradient: full}, dora+es]\nperMethod: {near: {rank: 4}}",
    ],
    ["settings of a task's method", "tasks: [{name: a, task: regression, perMethod: {lora: {rank: 4}}}]"],
    ["tasks", "tasks: [glue/mrpc, {name: mine, task: regression, train: a.csv}]"],
  ])("%s", (_, text) => {
    expect(isRun(text) || isComparison(text)).toBe(true);
    expect(isValid(parse(text)), JSON.stringify(validate.errors)).toBe(true);
  });
});

describe("files that the program refuses", () => {
  test.each([
    ["an unknown key", "modell: bert"],
    ["a flag's spelling", "batch-size: 3"],
    ["an unknown word", "method: lorra"],
    ["a wrong type", "epochs: many"],
    ["a number out of range", "epochs: 0"],
    ["a part of a step", "maxSteps: 1.5"],
    ["an empty list", "textColumns: []"],
    ["an empty name in a list", "textColumns: 'a,,b'"],
    ["an empty text", "train: ''"],
    ["a number without its pattern", "rankPattern: '4'"],
    ["a list", "- model: bert"],
    ["a text", "bert"],
    ["a comparison with a run's method", "methods: [lora]\nmethod: lora"],
    ["a comparison with a run's seed", "seeds: [1]\nseed: 1"],
    ["an unknown method", "methods: [lorra]"],
    ["settings of an unknown method", "methods: [lora]\nperMethod: {lorra: {rank: 4}}"],
    ["a method without a name", "methods: [{method: dora, rank: 4}]"],
    ["a method that is none", "methods: [{name: near, rank: 4}]"],
    ["a method with an unknown setting", "methods: [{name: near, method: dora, ranke: 4}]"],
    ["rows of a single method", "methods: [lora]\nperMethod: {lora: {train: a.csv}}"],
    ["a task with a method", "tasks: [{name: a, method: lora}]"],
    ["a task with an unknown setting", "tasks: [{name: a, rows: a.csv}]"],
    ["a task's setting without a value", "tasks: [{name: a, rank: null}]"],
    ["a budget of something else", "methods: [lora]\nbudget: tokens=3"],
  ])("%s", (_, text) => {
    expect(isRun(text) || isComparison(text)).toBe(false);
    expect(isValid(parse(text))).toBe(false);
  });
});

describe("single values", () => {
  const options = Object.entries<Option>({ ...compareOptions, ...runOptions });
  // The program also reads a number or a switch from a quoted text. A regular expression's syntax, and what a comparison's own lists
  // name or need beside them, are checked apart from the value's form.
  const isQuoted = (option: Option, value: unknown): boolean =>
    typeof value === "string" && ["number", "boolean"].includes(typeof option.fromText(value));
  const OWN = ["methods", "tasks", "perMethod", "grid", "tune", "tuneSeed", "curve"];
  const words = options.flatMap(([, { words }]) => words);
  const value = fc.oneof(
    fc.constantFrom<unknown>(
      ...words,
      "a",
      "a,b",
      "a, b",
      "",
      " ",
      ",",
      "a,",
      "query=4",
      "query=4,value=1.5",
      "=",
      "0,1,2",
    ),
    fc.constantFrom<unknown>(0, 1, -1, 2, 0.5, 1e-9, 1e6, 65535, 65536, -0.5, true, false),
    fc.constantFrom<unknown>([], [""], ["a"], ["a", 1], [1], [0, 1], [-1], {}, { a: 1 }, { a: 0.5 }, { a: "b" }),
    fc.array(fc.constantFrom(...words), { maxLength: 3 }),
  );

  test("a list of whole numbers of at least 1 may be a text without 0", () => {
    expect(["1,20", "0,1,2", "00", "010"].map((matryoshka) => isValid({ matryoshka }))).toEqual([
      true,
      false,
      false,
      true,
    ]);
  });

  test.each(options.filter(([key]) => !OWN.includes(key)))("%s", (key, option) => {
    const own = fc.oneof(value, fc.constantFrom<unknown>(...(option.words ?? []), option.default ?? "a"));
    fc.assert(
      fc.property(own, (given) => {
        fc.pre(!isQuoted(option, given));
        const text = stringify({ [key]: given });
        const isTaken = Object.hasOwn(runOptions, key) ? isRun(text) : isComparison(text);
        expect(isValid({ [key]: given }), `${text}${JSON.stringify(validate.errors)}`).toBe(isTaken);
      }),
      { numRuns: 150 },
    );
  });
});

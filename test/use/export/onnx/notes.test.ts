// Which classes transformers.js has, from its own source.
import { readFileSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { expect, test } from "vitest";
import { ARCHITECTURES } from "../../../../src/models/architectures.js";
import { WITHOUT_CLASS } from "../../../../src/use/export/onnx/notes.js";

const REGISTRY = readFileSync(
  join(dirname(createRequire(import.meta.url).resolve("@huggingface/transformers")), "../src/models/registry.js"),
  "utf8",
);

const typesIn = (mapping: string): string[] => {
  const start = REGISTRY.indexOf(`MODEL_FOR_${mapping}_MAPPING_NAMES = new Map([`);
  expect(start).toBeGreaterThan(0);
  const text = REGISTRY.slice(start, REGISTRY.indexOf("]);", start));
  return Array.from(text.matchAll(/\['([\w-]+)', '\w+'\]/g), ([, type]) => type as string);
};

test.each([
  ["ForSequenceClassification", "SEQUENCE_CLASSIFICATION"],
  ["ForTokenClassification", "TOKEN_CLASSIFICATION"],
  ["ForQuestionAnswering", "QUESTION_ANSWERING"],
  ["ForCausalLM", "CAUSAL_LM"],
])("transformers.js has classes %s for the families that the table says", (suffix, mapping) => {
  const types = typesIn(mapping);
  const decoders = Object.keys(ARCHITECTURES).filter((type) => typesIn("CAUSAL_LM").includes(type));
  const families = suffix === "ForCausalLM" ? decoders : Object.keys(ARCHITECTURES);
  const lacking = families.filter((type) => !types.includes(type));
  expect([...(WITHOUT_CLASS[suffix] ?? [])].sort()).toEqual(lacking.sort());
});

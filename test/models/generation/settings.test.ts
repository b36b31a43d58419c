import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { describe, expect, test } from "vitest";
import type { JsonObject } from "../../../src/base/records/json.js";
import {
  maxNewTokensAfter,
  PromptTooLong,
  readGenerationConfig,
  resolveGeneration,
} from "../../../src/models/generation/index.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";

const newFolder = temporaryFolders();

function read(generation: JsonObject | undefined, config: JsonObject = {}) {
  const folder = newFolder();
  if (generation) writeFileSync(join(folder, "generation_config.json"), JSON.stringify(generation));
  return readGenerationConfig(folder, config);
}

describe("the generation settings of a model's files", () => {
  test("end tokens: one or several, from generation_config.json, else from config.json", () => {
    expect(read({ eos_token_id: 5 }, { eos_token_id: 6 }).eos_token_id).toEqual([5]);
    expect(read({ eos_token_id: [5, 7] }).eos_token_id).toEqual([5, 7]);
    expect(read({ temperature: 0.5 }, { eos_token_id: [6] }).eos_token_id).toEqual([6]);
    expect(read({ eos_token_id: null }, { eos_token_id: 6 }).eos_token_id).toEqual([6]);
    expect(read(undefined, { eos_token_id: 6 }).eos_token_id).toEqual([6]);
    expect(read({}).eos_token_id).toBeUndefined();
  });

  test("other settings come from config.json only without generation_config.json", () => {
    expect(read(undefined, { repetition_penalty: 1.5 }).repetition_penalty).toBe(1.5);
    expect(read({}, { repetition_penalty: 1.5 }).repetition_penalty).toBeUndefined();
  });

  test("sampling settings apply once sampling is on, others always", () => {
    const own = read({ do_sample: true, temperature: 0.5, top_k: 7, top_p: 0.9, repetition_penalty: 1.1, min_p: null });
    const plain = resolveGeneration({}, own);
    expect([plain.sampling, plain.repetitionPenalty]).toEqual([undefined, 1.1]);
    expect(resolveGeneration({ topP: 0.8 }, own).sampling).toEqual({
      temperature: 0.5,
      topK: 7,
      topP: 0.8,
      minP: undefined,
    });
    expect(resolveGeneration({ minP: 0.1 }, read({})).sampling).toEqual({
      temperature: 1,
      topK: 50,
      topP: 1,
      minP: 0.1,
    });
    expect(resolveGeneration({ repetitionPenalty: 1 }, own).repetitionPenalty).toBe(1);
  });

  test("beams, which --greedy turns off", () => {
    const own = read({ num_beams: 4, length_penalty: 0.5, early_stopping: "never" });
    expect(resolveGeneration({}, own).beams).toEqual({ count: 4, lengthPenalty: 0.5, earlyStopping: "never" });
    expect(resolveGeneration({ beams: 2, earlyStopping: true }, own).beams).toEqual({
      count: 2,
      lengthPenalty: 0.5,
      earlyStopping: true,
    });
    expect(resolveGeneration({ greedy: true }, own).beams).toBeUndefined();
    expect(resolveGeneration({ beams: 1, temperature: 2 }, own).beams).toBeUndefined();
    const drawn = resolveGeneration({ temperature: 2 }, own);
    expect([drawn.beams?.count, drawn.sampling?.temperature]).toEqual([4, 2]);
  });

  test.each([
    ["bad_words_ids", [[1]]],
    ["sequence_bias", [[[1], 2.5]]],
    ["guidance_scale", 1.5],
    ["encoder_repetition_penalty", 1.5],
    ["encoder_no_repeat_ngram_size", 3],
    ["exponential_decay_length_penalty", [5, 1.1]],
    ["renormalize_logits", true],
    ["num_beam_groups", 2],
    ["watermarking_config", { bias: 1 }],
  ])("%s is refused by name", (key, value) => {
    expect(() => read({ [key]: value })).toThrow(`generation_config.json: ${key} `);
    expect(() => read(undefined, { [key]: value })).toThrow(`config.json: ${key} `);
  });

  test("unsupported keys with values of no effect are accepted", () => {
    const none = {
      bad_words_ids: null,
      guidance_scale: 1,
      renormalize_logits: false,
      num_beam_groups: 1,
      typical_p: 1,
    };
    expect(() => resolveGeneration({ topK: 1 }, read({ ...none, diversity_penalty: 0 }))).not.toThrow();
  });

  test("an unsupported sampling method is refused once sampling is on", () => {
    const own = read({ typical_p: 0.9 });
    expect(() => resolveGeneration({}, own)).not.toThrow();
    expect(() => resolveGeneration({ temperature: 0.5 }, own)).toThrow("typical_p");
  });

  test.each([
    ["temperature", 0],
    ["top_p", 1.5],
    ["num_beams", 0],
    ["eos_token_id", "</s>"],
    ["early_stopping", "always"],
    ["repetition_penalty", "1"],
  ])("%s of %j is refused", (key, value) => {
    expect(() => read({ [key]: value })).toThrow(`generation_config.json: ${key} can't be ${JSON.stringify(value)}`);
  });
});

describe("the room after a prompt", () => {
  const room = (tokens: number, maxNewTokens: number | undefined, generation: JsonObject = {}) =>
    maxNewTokensAfter(tokens, { maxNewTokens }, read(generation), 100, "Row 3");

  test("is the user's, else the model's, else 256 tokens, within the model's positions", () => {
    expect(room(10, 90)).toBe(90);
    expect(room(10, 5)).toBe(5);
    expect(room(10, undefined)).toBe(90);
    expect(room(10, undefined, { max_new_tokens: 7 })).toBe(7);
    expect(room(99, undefined, { max_new_tokens: 7 })).toBe(1);
    expect(room(10, undefined, { max_length: 30 })).toBe(20);
    expect(room(10, 5, { max_length: 12 })).toBe(5);
    expect(room(10, undefined, { max_length: 20 })).toBe(90); // transformers' word for none
    expect(room(10, undefined, { max_length: 500 })).toBe(90);
  });

  test("is required: a prompt without room is refused with both numbers", () => {
    expect(() => room(100, undefined)).toThrow(/Row 3 has 100 tokens.*100 positions/);
    expect(() => room(10, 91)).toThrow(/Row 3 has 10 tokens.*91.*100 positions/);
    expect(() => room(40, undefined, { max_length: 40 })).toThrow(/Row 3 has 40 tokens.*max_length is 40/);
  });

  test.each([
    [undefined, {}],
    [7, {}],
    [undefined, { max_length: 40 }],
  ])("the most tokens that a refusal names are the most that pass: %j new ones, %j", (maxNewTokens, generation) => {
    const refusal = (tokens: number): PromptTooLong => {
      try {
        return room(tokens, maxNewTokens, generation) as never;
      } catch (error) {
        return error as PromptTooLong;
      }
    };
    const { most } = refusal(101);
    expect(room(most, maxNewTokens, generation)).toBe(maxNewTokens ?? 1);
    expect(refusal(most + 1)).toBeInstanceOf(PromptTooLong);
  });
});

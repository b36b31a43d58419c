import { readFileSync } from "node:fs";
import { join } from "node:path";
import { beforeAll, describe, expect, it } from "vitest";
import type { JsonObject } from "../../../src/base/records/json.js";
import { generateTokens } from "../../../src/models/generation/generateTokens.js";
import {
  type GenerationSettings,
  generateRows,
  type Prompt,
  readGenerationConfig,
  resolveGeneration,
  SAMPLING_KEYS,
} from "../../../src/models/generation/index.js";
import { loadModel } from "../../../src/models/index.js";
import { loadTokenizer } from "../../../src/text/index.js";
import * as torch from "../../../src/torch/index.js";
import { few } from "../../support/few.js";
import { GOLDEN } from "../../support/golden.js";

const folder = (name: string) => join(GOLDEN, `generation/${name}`);

interface Case {
  readonly model: string;
  readonly case: string;
  readonly settings: JsonObject;
  readonly uniforms?: readonly (readonly number[])[];
  readonly rows: readonly ({ readonly tokens: readonly number[]; readonly text: string } | null)[];
}

const golden = JSON.parse(readFileSync(folder("golden.json"), "utf8")) as {
  readonly prompts: readonly { readonly text: string; readonly ids: readonly number[] }[];
  readonly cases: readonly Case[];
};

/** transformers' names of the settings that turn sampling on. */
const SAMPLING: Readonly<Record<string, string>> = {
  temperature: "temperature",
  topK: "top_k",
  topP: "top_p",
  minP: "min_p",
};

function settingsOf({ settings }: Case): GenerationSettings {
  // In a folder without a generation_config.json the settings are read from config.json.
  const own = readGenerationConfig("/nowhere", { ...settings, eos_token_id: [0, 1] });
  const overrides = SAMPLING_KEYS.map((key) => [key, settings[SAMPLING[key] as string]] as const);
  return resolveGeneration(Object.fromEntries(overrides.filter(([, value]) => value !== undefined)), own);
}

function promptsOf({ settings, uniforms }: Case): Prompt[] {
  return golden.prompts.map(({ ids }, i) => {
    const numbers = uniforms?.[i]?.values();
    return {
      ids,
      maxNewTokens: (settings.max_new_tokens as number | undefined) ?? 24,
      uniform: () => numbers?.next().value ?? Number.NaN,
    };
  });
}

describe.each(["llama", "qwen2", "smollm3"])("%s generates as in transformers", (name) => {
  let generator: Parameters<typeof generateRows>[0];

  beforeAll(async () => {
    const options = { head: { className: "ForCausalLM" }, outputs: 0, dtype: "float32" } as const;
    const { model } = await loadModel(folder(name), { ...options, generator: new torch.Generator(0) });
    generator = { model, tokenizer: await loadTokenizer(folder(name)) };
  });

  const cases = golden.cases.filter(({ model }) => model === name).map((entry) => [entry.case, entry] as const);

  it.each(few(cases, 12))("%s", async (_, entry) => {
    for (const batchSize of [golden.prompts.length, 4, 1]) {
      const rows = [];
      for await (const row of generateRows(generator, promptsOf(entry), settingsOf(entry), { batchSize }))
        rows.push(row);
      expect(rows).toHaveLength(entry.rows.length);
      for (const [i, expected] of entry.rows.entries()) {
        if (!expected) continue;
        const { tokens, text, finish } = rows[i] as (typeof rows)[number];
        expect({ tokens, text }).toEqual(expected);
        const isLong = tokens.length === (entry.settings.max_new_tokens ?? 24);
        expect(finish).toBe([0, 1].includes(tokens.at(-1) as number) ? "eos" : isLong ? "length" : "stop");
      }
    }
  });

  it.each(["greedy", "both", "beams", "beams-2", "sample-everything"])("%s without a cache", async (wanted) => {
    const entry = golden.cases.find((entry) => entry.model === name && entry.case === wanted) as Case;
    const rows = [];
    const options = { batchSize: 4, cache: false };
    for await (const row of generateRows(generator, promptsOf(entry), settingsOf(entry), options))
      rows.push(row.tokens);
    expect(rows).toEqual(entry.rows.map((row) => row?.tokens));
  });

  it("yields each token of each prompt when it is generated", async () => {
    const entry = golden.cases.find((entry) => entry.model === name && entry.case === "greedy") as Case;
    const yielded = golden.prompts.map((): number[] => []);
    for await (const { prompt, tokens } of generateTokens(generator.model, promptsOf(entry), settingsOf(entry))) {
      expect(tokens).toHaveLength(1);
      yielded[prompt]?.push(...tokens);
    }
    expect(yielded).toEqual(entry.rows.map((row) => row?.tokens));
  });

  it("releases its tensors when the caller stops early", async () => {
    const entry = golden.cases.find((entry) => entry.model === name && entry.case === "greedy-64") as Case;
    const before = torch.liveHandles();
    for await (const { prompt } of generateTokens(generator.model, promptsOf(entry), settingsOf(entry)))
      if (prompt === 1) break;
    expect(torch.liveHandles()).toBeLessThanOrEqual(before);
  });
});

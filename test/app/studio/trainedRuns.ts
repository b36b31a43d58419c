// Small runs in a studio's folder, a few steps each.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { vi } from "vitest";
import { finetune } from "../../../src/app/commands/finetune.js";
import { makeFolder } from "../../../src/base/index.js";
import type { RunSettings } from "../../../src/tasks/config/index.js";
import { GOLDEN } from "../../support/golden.js";

const rows = (name: string) => join(GOLDEN, "rows", `${name}.jsonl`);

/** Prompts with completions, for a language model. */
function prompts(folder: string): string {
  const path = join(folder, "prompts.jsonl");
  const list = ["a quiet garden", "the small boat"].map((completion) => ({ prompt: "what grows ", completion }));
  writeFileSync(path, list.map((row) => `${JSON.stringify(row)}\n`).join(""));
  return path;
}

function embedding(model: string) {
  const pairs = join(GOLDEN, "embeddings/pairs.jsonl");
  return { model: join(GOLDEN, "embeddings", model), task: "embedding", train: pairs, validation: pairs } as const;
}

const RUNS = {
  pairs: () => ({
    ...{ model: join(GOLDEN, "bert/single"), task: "sequence-classification", method: "dora" },
    ...{ train: rows("train"), validation: rows("pairs") },
  }),
  words: () => ({
    ...{ model: join(GOLDEN, "bert/tokens"), task: "token-classification" },
    ...{ train: rows("tokens"), validation: rows("tokens") },
  }),
  search: () => embedding("gpt2-last"),
  // Its queries and documents have different prompts.
  prompted: () => embedding("bert-mean"),
  rank: () => ({
    model: join(GOLDEN, "reranking/bert-6"),
    task: "reranking",
    train: join(GOLDEN, "reranking/lists.jsonl"),
  }),
  text: (folder: string) => ({ model: join(GOLDEN, "llama/lm"), task: "causal-lm", train: prompts(folder) }),
  // A model from a GGUF file, whose tokenizer llama.cpp has too.
  tiny: (folder: string) => ({ model: join(GOLDEN, "io/gguf/smollm.gguf"), task: "causal-lm", train: prompts(folder) }),
} as const satisfies Readonly<Record<string, (folder: string) => RunSettings>>;

/** Trains runs of these names. */
export async function trainedRuns(folder: string, ...names: readonly (keyof typeof RUNS)[]): Promise<void> {
  makeFolder(join(folder, "runs"));
  vi.stubEnv("XDG_CACHE_HOME", join(folder, "cache"));
  for (const name of names) {
    const settings: RunSettings = RUNS[name](folder);
    const few = { maxSteps: 3, batchSize: 4, learningRate: 1e-2 };
    await finetune({ method: "lora", ...settings, ...few, output: join(folder, "runs", name) });
  }
}

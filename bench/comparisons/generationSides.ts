// The sides of the generation comparisons, and their prompts.

import type { Context } from "../context.js";
import { generateWorker, llamaCppWorker, nodeLlamaCppWorker, ownWorker } from "../programs.js";
import { randomIds, seeded } from "../setup/chatRows.js";
import type { Effort, Measured, Side } from "../turns/compare.js";
import type { GenerateSpec, Precision } from "../turns/protocol.js";
import { commonPrefixLength, generated } from "../turns/sameTokens.js";

/** The prompts, and the number of new tokens per prompt. */
export type Job = Pick<GenerateSpec, "prompts" | "newTokens">;

/** Prompts of random tokens. */
export const job = (prompts: number, length: number, newTokens: number, vocabulary?: number): Job => {
  const random = seeded();
  return { prompts: Array.from({ length: prompts }, () => randomIds(length, random, vocabulary)), newTokens };
};

/** A model to generate with, and how much to measure. */
export interface Place {
  readonly context: Context;
  /** The model's name in the table. */
  readonly name: string;
  readonly model: string;
  readonly effort: Effort;
}

export function ours({ context: { threads }, model }: Place, job: Job): Side {
  return { program: ownWorker(), spec: { task: "generate", model, threads, precision: "bfloat16", ...job } };
}

/** transformers in each of its precisions. */
export function theirs({ context: { threads, python }, model }: Place, job: Job) {
  const side = (precision: Precision): Side => ({
    program: generateWorker(python),
    spec: { task: "generate", model, threads, precision, ...job },
  });
  return { float32: side("float32"), bfloat16: side("bfloat16") };
}

/** llama.cpp as built for this processor, and as node-llama-cpp ships it. */
export function llamaCpp({ context: { threads, python } }: Place, gguf: string, job: Job) {
  const spec: GenerateSpec = { task: "generate", model: gguf, threads, precision: "bfloat16", ...job };
  return { native: { program: llamaCppWorker(python), spec }, prebuilt: { program: nodeLlamaCppWorker(), spec } };
}

/** Logs how many tokens each side has in common with ours before the first difference. @throws Error if a side generated another number of tokens */
export function compareTokens(
  { tell }: Context,
  { prompts, newTokens }: Job,
  ours: Measured,
  others: Readonly<Record<string, Measured>>,
): void {
  const [own] = generated(ours, prompts.length, newTokens) as [number[]];
  for (const [name, side] of Object.entries(others)) {
    const [tokens] = generated(side, prompts.length, newTokens) as [number[]];
    tell(`  ${name}: the first ${commonPrefixLength(own, tokens)} of ${newTokens} tokens match ours`);
  }
}

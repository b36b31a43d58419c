// Who goes on from prompts, and from which.
import { randomIds, seeded } from "../chatRows.js";
import type { Effort, Measured, Side } from "../compare.js";
import type { Context } from "../context.js";
import { generateWorker, llamaCppWorker, ownWorker } from "../programs.js";
import type { GenerateSpec, Precision } from "../protocol.js";
import { generated, inCommon } from "../sameTokens.js";

/** What is gone on with, and how far. */
export type Job = Pick<GenerateSpec, "prompts" | "newTokens">;

/** Prompts of random tokens. */
export const job = (prompts: number, length: number, newTokens: number): Job => {
  const random = seeded();
  return { prompts: Array.from({ length: prompts }, () => randomIds(length, random)), newTokens };
};

/** Where generation is measured. */
export interface Place {
  readonly context: Context;
  /** Of the model, in the table. */
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

export function llamaCpp({ context: { threads } }: Place, gguf: string, job: Job): Side {
  return { program: llamaCppWorker(), spec: { task: "generate", model: gguf, threads, precision: "bfloat16", ...job } };
}

/** Tells how far others' tokens are ours. @throws Error where a side went on to another number of them */
export function compareTokens(
  { tell }: Context,
  { prompts, newTokens }: Job,
  ours: Measured,
  others: Readonly<Record<string, Measured>>,
): void {
  const [own] = generated(ours, prompts.length, newTokens) as [number[]];
  for (const [name, side] of Object.entries(others)) {
    const [tokens] = generated(side, prompts.length, newTokens) as [number[]];
    tell(`  ${name}: the first ${inCommon(own, tokens)} of ${newTokens} tokens are ours`);
  }
}

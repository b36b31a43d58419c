import { spawnSync } from "node:child_process";
import { fileURLToPath } from "node:url";

/** What is asked of llama.cpp. */
export interface LlamaCppQuestion {
  /** A GGUF file. */
  readonly model: string;
  readonly adapter?: string;
  /** Tokens to compute logits of, and to continue. */
  readonly rows: readonly (readonly number[])[];
  readonly newTokens: number;
  /** Texts to be split into tokens. */
  readonly texts: readonly string[];
  /** Whether embeddings of the rows are asked for, and no probabilities. */
  readonly embeds?: boolean;
  /** Queries with documents to rank, and nothing else. */
  readonly pairs?: readonly (readonly [string, string])[];
}

export interface LlamaCppAnswer {
  /** Of each row's tokens, how likely every token is to follow. */
  readonly probabilities: readonly (readonly (readonly number[])[])[];
  /** The greedy continuation of each row. */
  readonly tokens: readonly (readonly number[])[];
  /** The pooled states of each row, not normalized, where embeddings are asked for. */
  readonly embeddings: readonly (readonly number[])[];
  /** The tokens of pairs as llama.cpp's server puts them, the model's outputs for them, and the scores that node-llama-cpp gives. */
  readonly rows: readonly (readonly number[])[];
  readonly outputs: readonly number[];
  readonly scores: readonly number[];
  /** The tokens of texts. */
  readonly words: readonly (readonly number[])[];
  readonly about: {
    readonly trainContextSize: number;
    readonly bos: number | null;
    readonly eos: number | null;
    readonly eot: number | null;
    readonly sep: number | null;
    readonly addsBos: boolean;
    readonly addsEos: boolean;
  };
}

const CHILD = fileURLToPath(new URL("./llamaCppChild.js", import.meta.url));
const NO_BINARY = 3;

function run(questions: readonly LlamaCppQuestion[]) {
  return spawnSync(process.execPath, [CHILD], {
    input: JSON.stringify(questions),
    encoding: "utf8",
    maxBuffer: 2 ** 28,
    env: { ...process.env, NODE_LLAMA_CPP_SKIP_DOWNLOAD: "true" },
  });
}

/** Asks llama.cpp in a process of its own: its threads and libtorch's would meet in one. */
export function askLlamaCpp(...questions: readonly LlamaCppQuestion[]): LlamaCppAnswer[] {
  const { status, stdout, stderr } = run(questions);
  if (status !== 0) throw new Error(`llama.cpp ended with ${status}: ${stderr}`);
  return JSON.parse(stdout) as LlamaCppAnswer[];
}

/** Whether node-llama-cpp has a binary for this machine; says so where it has none. */
export function hasLlamaCpp(): boolean {
  const { status } = run([]);
  if (status !== NO_BINARY) return true;
  console.error(
    `\n*** SKIPPED: node-llama-cpp has no llama.cpp for ${process.platform}-${process.arch}, so that exported GGUF files were NOT run. ***\n`,
  );
  return false;
}

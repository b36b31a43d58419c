import { writeFileSync } from "node:fs";
import type { RowsFile } from "../turns/protocol.js";

export const CHAT_ROWS = 16;
export const CHAT_TOKENS = 2048;

const BATCHES = 20;
const SHORTEST = 48;
const NO_LOSS = -100;

/** Random integers in [`least`, `end`) from Park and Miller's generator; any varied values would do. */
export function seeded(): (least: number, end: number) => number {
  let state = 1;
  return (least, end) => {
    state = (state * 48271) % 2147483647;
    return least + (state % (end - least));
  };
}

/** Token ids that the vocabularies of SmolLM2 and GPT-2 have, and larger ones. */
const VOCABULARY = 49000;

/** Token ids below `vocabulary`; none is a padding token. */
export function randomIds(length: number, random: ReturnType<typeof seeded>, vocabulary = VOCABULARY): number[] {
  return Array.from({ length }, () => random(5, vocabulary));
}

/**
 * Writes chat-like rows of mixed lengths. The first half of each is a prompt, which is not trained on. In the file's order, all
 * batches have the same number of tokens.
 */
export function writeChatRows(file: string, vocabulary?: number): void {
  const random = seeded();
  const pair = (2 * CHAT_TOKENS) / CHAT_ROWS;
  const rows = Array.from({ length: (BATCHES * CHAT_ROWS) / 2 }, () => {
    const length = random(SHORTEST, pair - SHORTEST + 1);
    return [length, pair - length].map((tokens) => chatRow(tokens, random, vocabulary));
  });
  writeFileSync(file, JSON.stringify({ rows: rows.flat() } satisfies RowsFile));
}

function chatRow(
  length: number,
  random: ReturnType<typeof seeded>,
  vocabulary: number | undefined,
): RowsFile["rows"][number] {
  const ids = randomIds(length, random, vocabulary);
  return { ids, label: ids.map((id, i) => (i < length / 2 ? NO_LOSS : id)) };
}

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

/** Token ids that every model's vocabulary has; none is a padding token. */
export function randomIds(length: number, random: ReturnType<typeof seeded>): number[] {
  return Array.from({ length }, () => random(5, 49000));
}

/**
 * Writes chat-like rows of mixed lengths. The first half of each is a prompt, which is not trained on. In the file's order, all
 * batches have the same number of tokens.
 */
export function writeChatRows(file: string): void {
  const random = seeded();
  const pair = (2 * CHAT_TOKENS) / CHAT_ROWS;
  const rows = Array.from({ length: (BATCHES * CHAT_ROWS) / 2 }, () => {
    const length = random(SHORTEST, pair - SHORTEST + 1);
    return [chatRow(length, random), chatRow(pair - length, random)];
  });
  writeFileSync(file, JSON.stringify({ rows: rows.flat() } satisfies RowsFile));
}

function chatRow(length: number, random: ReturnType<typeof seeded>): RowsFile["rows"][number] {
  const ids = randomIds(length, random);
  return { ids, label: ids.map((id, i) => (i < length / 2 ? NO_LOSS : id)) };
}

// Pairs of answers, and a tiny model to learn from them.
import { join } from "node:path";
import { GOLDEN } from "../support.js";

export const MODEL = join(GOLDEN, "llama", "lm");
export const PAIRS = [
  { prompt: "The small boat", chosen: " left the harbour", rejected: " apples" },
  { prompt: "A teacher wrote", chosen: " long words", rejected: " and then seven red apples" },
  { prompt: "old", chosen: " stone wall near the river", rejected: " small small" },
  { prompt: "seven red apples", chosen: " fell", rejected: " the stone" },
  { prompt: "three long", chosen: " words on the board", rejected: " the" },
];
/** Settings of small runs, without the file of rows: each test file writes its own, which is removed with it. */
export const SMALL_RUN = {
  ...({ model: MODEL, task: "preference", batchSize: 2, dtype: "float32" } as const),
  ...({ method: "lora", learningRate: 1e-2, warmupRatio: 0 } as const),
};

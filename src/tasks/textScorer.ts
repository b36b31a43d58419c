import { readingFrom, textScores } from "../metrics/index.js";
import type { Scorer } from "./scorer.js";

/** What a model went on with. */
export interface WrittenText {
  readonly text: string;
}

/** How generated texts are measured: against all references of their prompt. Space around them does not count. */
export const textScorer: Scorer<readonly string[], WrittenText> = {
  main: "bleu",
  metric: readingFrom(textScores(), ({ text }) => text.trim()),
};

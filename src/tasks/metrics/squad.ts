/** Exact match and F1 of extracted answers, by SQuAD's official script. */
import { atLeastOne, HIGHER_IS_BETTER, type Metric, SHARE_OF_ROWS } from "./parts/metric.js";
import { overSums } from "./parts/sums.js";
import { countInCommon, splitWords } from "./parts/words.js";

/** The scores of one answer, as fractions. */
export interface AnswerScores {
  readonly exactMatch: number;
  readonly f1: number;
}

/**
 * `exactMatch` and `f1` of answers to SQuAD's questions, as fractions, by the official script of version 2.0: each prediction
 * is scored against its best-matching reference. "No answer" is an empty prediction, an empty reference or no reference. A
 * reference that is empty after normalization counts as "no answer", unless the question has other references.
 */
export function squad(): Metric<readonly string[], string, AnswerScores> {
  return overSums(
    { exactMatch: SHARE_OF_ROWS, f1: { ...HIGHER_IS_BETTER, kind: "answers" } },
    (references, prediction) => {
      const known = references.map(normalizeAnswer).filter((answer) => answer !== "");
      const answers = known.length > 0 ? known : [""];
      const guess = normalizeAnswer(prediction);
      return {
        exactMatch: answers.includes(guess) ? 1 : 0,
        f1: Math.max(...answers.map((answer) => wordF1(answer, guess))),
      };
    },
    () => ({
      width: 2,
      add({ exactMatch, f1 }, sums) {
        sums[0]! += exactMatch;
        sums[1]! += f1;
      },
      result: ([exactMatch, f1], examples) => ({ exactMatch: exactMatch! / atLeastOne(examples), f1: f1! / examples }),
    }),
  );
}

/** Python's `string.punctuation`. */
const PUNCTUATION = /[!-/:-@[-`{-~]/g;

/** Python's `\b(a|an|the)\b`, whose words have letters and numbers of all scripts. */
const ARTICLES = /(?<![\p{L}\p{N}_])(?:a|an|the)(?![\p{L}\p{N}_])/gu;

/** The text in lower case, without punctuation and articles, with one space between words. */
export function normalizeAnswer(text: string): string {
  const bare = text.toLowerCase().replaceAll(PUNCTUATION, "").replaceAll(ARTICLES, " ");
  return splitWords(bare).join(" ");
}

/** F1 of the words of two normalized answers, as multisets: 1 for two empty ones, 0 if one is empty. */
function wordF1(answer: string, guess: string): number {
  if (answer === "" || guess === "") return answer === guess ? 1 : 0;
  const [known, guessed] = [answer.split(" "), guess.split(" ")];
  const common = countInCommon(known, guessed);
  if (common === 0) return 0;
  const [precision, recall] = [common / guessed.length, common / known.length];
  return (2 * precision * recall) / (precision + recall);
}

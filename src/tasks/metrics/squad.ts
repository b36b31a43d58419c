/** Exact match and F1 of extracted answers, by SQuAD's official script. */
import { atLeastOne, HIGHER_IS_BETTER, type Metric, SHARE_OF_ROWS } from "./parts/metric.js";
import { overSums } from "./parts/sums.js";

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

/** Whitespace to Python's `str.split()`: unlike JavaScript's `\s` without the byte-order mark, but with ASCII's separators. */
// biome-ignore lint/suspicious/noControlCharactersInRegex: four of them are whitespace to Python.
const SPACE = /[\t-\r\x1c- \x85\xa0\u1680\u2000-\u200a\u2028\u2029\u202f\u205f\u3000]+/;

/** The text in lower case, without punctuation and articles, with one space between words. */
export function normalizeAnswer(text: string): string {
  const bare = text.toLowerCase().replaceAll(PUNCTUATION, "").replaceAll(ARTICLES, " ");
  return bare
    .split(SPACE)
    .filter((word) => word !== "")
    .join(" ");
}

/** F1 of the words of two normalized answers, as multisets: 1 for two empty ones, 0 if one is empty. */
function wordF1(answer: string, guess: string): number {
  if (answer === "" || guess === "") return answer === guess ? 1 : 0;
  const [known, guessed] = [answer.split(" "), guess.split(" ")];
  const common = commonWords(known, guessed);
  if (common === 0) return 0;
  const [precision, recall] = [common / guessed.length, common / known.length];
  return (2 * precision * recall) / (precision + recall);
}

function commonWords(a: readonly string[], b: readonly string[]): number {
  const left = new Map<string, number>();
  for (const word of a) left.set(word, (left.get(word) ?? 0) + 1);
  let common = 0;
  for (const word of b) {
    const count = left.get(word) ?? 0;
    if (count === 0) continue;
    left.set(word, count - 1);
    common++;
  }
  return common;
}

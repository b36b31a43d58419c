/** ROUGE-L, as pycocoevalcap computes it. */
import { ptbWords } from "./ptbWords.js";
import { atLeastOne, atLeastOneReference, MORE_IS_BETTER, type TextMetric } from "./textMetric.js";

/** The weight of recall relative to precision. */
const BETA = 1.2;

/**
 * `rougeL`, the mean over rows, a fraction in [0, 1]: the F-measure, with β = 1.2, of the longest common subsequence of words (Lin
 * 2004, section 3). Precision and recall are each the best over all references, which may be different references. All as in
 * pycocoevalcap's `Rouge`, which the E2E challenge's script calls: words are the Penn Treebank's without punctuation, and a text
 * without words has one empty word.
 */
export function rougeL(): TextMetric<number> {
  return {
    values: { rougeL: MORE_IS_BETTER },
    measure(references, prediction, row) {
      const words = wordsOrEmpty(prediction);
      const known = atLeastOneReference(references, row).map(wordsOrEmpty);
      const common = known.map((reference) => commonSubsequence(words, reference));
      const precision = Math.max(...common) / words.length;
      const recall = Math.max(...common.map((length, index) => length / known[index]!.length));
      return precision === 0 ? 0 : ((1 + BETA ** 2) * precision * recall) / (recall + BETA ** 2 * precision);
    },
    result(rows) {
      const count = atLeastOne(rows.length);
      return { rougeL: rows.reduce((sum, score) => sum + score, 0) / count };
    },
  };
}

function wordsOrEmpty(text: string): readonly string[] {
  const words = ptbWords(text);
  return words.length > 0 ? words : [""];
}

/** The length of the longest common subsequence. */
function commonSubsequence(a: readonly string[], b: readonly string[]): number {
  let before = new Array<number>(b.length + 1).fill(0);
  for (const word of a) {
    const lengths = [0];
    for (const [index, other] of b.entries()) {
      lengths.push(word === other ? before[index]! + 1 : Math.max(before[index + 1]!, lengths[index]!));
    }
    before = lengths;
  }
  return before[b.length]!;
}

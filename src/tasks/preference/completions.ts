// KTO's rows: single completions, good or bad, and beside each the completion of the row before it, which does not answer its prompt.
import { branches, type EncodedAnswers } from "./encode.js";

/**
 * Rows of one completion each; those of pairs have all chosen ones first, and the rejected ones after all other rows. Rows without labels,
 * to be predicted, remain as they are.
 */
export function completionRows(rows: readonly EncodedAnswers[]): EncodedAnswers[] {
  const pairs = rows.filter(({ answers, target }) => answers.length === 2 && target !== undefined);
  return [...rows.map((row) => single(row, 0)), ...pairs.map((row) => single(row, 1))];
}

function single(row: EncodedAnswers, answer: number): EncodedAnswers {
  if (row.answers.length === 1 || row.target === undefined) return row;
  const { answers, inputIds, prefix, maxLength } = row;
  const own = [answers[answer]!];
  const target = { ...row.target, isGood: answer === 0 };
  return { ...row, ...branches(inputIds.slice(0, prefix), own, maxLength), answers: own, target };
}

/**
 * The rows of a whole batch, each with the completion of the one before it as a second answer; the first has the last one's.
 */
export function moved(rows: readonly EncodedAnswers[]): EncodedAnswers[] {
  const group = {};
  return rows.map((origin, i) => {
    const other = rows.at(i - 1)!;
    const { prefix, inputIds, answers, maxLength } = origin;
    const both = branches(inputIds.slice(0, prefix), [answers[0]!, other.answers[0]!], maxLength);
    return { ...origin, ...both, origin, other, group };
  });
}

/**
 * Cuts a text of words into stretches of at most `room` tokens, one after another and none twice, between words only: each takes
 * as many words as fit, as in transformers' `preprocess.py` for token classification. Of a word that has more tokens than that
 * the first ones are kept; it stands alone. A text without words is one stretch.
 * @param words the tokens of each word, none for a word that the tokenizer drops
 * @returns of each stretch the tokens of its words
 */
export function stretchesOf(words: readonly (readonly number[])[], room: number): (readonly number[])[][] {
  const stretches: (readonly number[])[][] = [[]];
  let tokens = 0;
  for (const word of words) {
    const own = word.slice(0, room);
    if (tokens + own.length > room) {
      stretches.push([]);
      tokens = 0;
    }
    stretches.at(-1)?.push(own);
    tokens += own.length;
  }
  return stretches;
}

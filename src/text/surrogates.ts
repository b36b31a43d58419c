/** Whether a text has no half of a character: a surrogate without its other, which no tokenizer takes. */
export const isWhole = (text: string): boolean => !/\p{Surrogate}/u.test(text);

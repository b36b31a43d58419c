/** Prompt lookup: what followed the last tokens of a sequence where they occurred before is proposed again. */
import { DRAFT_TOKENS, type Draft, type DraftedSequence, type Drafter } from "./draft.js";

/** The sizes of the n-grams that are looked for, the first first. */
const SIZES = [3, 2];

/** Drafts from the text so far, as with transformers' `prompt_lookup_num_tokens`. */
export const ngramDraft = (tokens = DRAFT_TOKENS): Draft => ({ tokens, bytesPerToken: 0, start: () => NGRAMS });

const NGRAMS: Drafter = {
  propose: (sequences) => sequences.map(proposal),
  add: () => {},
  select: () => {},
  dispose: () => {},
};

/** What followed the latest earlier occurrence. It may go on into what is proposed, as in a text that repeats itself. */
function proposal({ ids, most }: DraftedSequence): readonly number[] {
  const start = most > 0 ? SIZES.map((size) => startAfter(ids, size)).find((at) => at !== undefined) : undefined;
  if (start === undefined) return [];
  const draft: number[] = [];
  for (let at = start; draft.length < most; at++) draft.push(ids[at] ?? (draft[at - ids.length] as number));
  return draft;
}

/** The place after the latest earlier occurrence of the last `size` tokens. */
function startAfter(ids: readonly number[], size: number): number | undefined {
  for (let end = ids.length - 1; end >= size; end--) {
    let same = 0;
    while (same < size && ids[end - 1 - same] === ids[ids.length - 1 - same]) same++;
    if (same === size) return end;
  }
  return undefined;
}

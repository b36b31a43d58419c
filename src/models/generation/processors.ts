/** transformers' logits processors, in their order: they change the scores of the next token before it is chosen. */
import type { GenerationSettings } from "./generationSettings.js";

/** The current state of a sequence. */
export interface Sequence {
  /** The prompt and the new tokens. */
  readonly ids: readonly number[];
  readonly promptLength: number;
  /** The maximum number of new tokens. */
  readonly maxNewTokens: number;
}

/** Changes the scores of the next token in place: logits, or log-probabilities with beams. */
export type Processor = (scores: Float32Array, sequence: Sequence) => void;

/** The processors that the settings need. */
export function processorsOf(settings: GenerationSettings): Processor[] {
  const { repetitionPenalty, noRepeatNgram, minLength, minNewTokens, endTokens } = settings;
  const { forcedBosToken, forcedEosTokens, suppressTokens, beginSuppressTokens } = settings;
  const processors: (Processor | undefined | false)[] = [
    repetitionPenalty !== 1 && penalizeRepetition(repetitionPenalty),
    noRepeatNgram > 0 && banRepeatedNgrams(noRepeatNgram),
    minLength > 0 && when(({ ids }) => ids.length < minLength, ban(endTokens)),
    minNewTokens > 0 && when((sequence) => newTokens(sequence) < minNewTokens, ban(endTokens)),
    forcedBosToken !== undefined && when(({ ids }) => ids.length === 1, force([forcedBosToken])),
    forcedEosTokens && when((sequence) => newTokens(sequence) === sequence.maxNewTokens - 1, force(forcedEosTokens)),
    suppressTokens.length > 0 && ban(suppressTokens),
    beginSuppressTokens.length > 0 && when((sequence) => isFirst(sequence, forcedBosToken), ban(beginSuppressTokens)),
  ];
  return processors.filter((processor) => typeof processor === "function");
}

const newTokens = ({ ids, promptLength }: Sequence): number => ids.length - promptLength;

/** Whether the next token is the first chosen one; a token forced after a prompt of one token does not count. */
function isFirst(sequence: Sequence, forcedBosToken: number | undefined): boolean {
  const isForced = sequence.promptLength === 1 && forcedBosToken !== undefined;
  return newTokens(sequence) === (isForced ? 1 : 0);
}

const when =
  (applies: (sequence: Sequence) => boolean, processor: Processor): Processor =>
  (scores, sequence) => {
    if (applies(sequence)) processor(scores, sequence);
  };

function ban(tokens: readonly number[]): Processor {
  return (scores) => {
    for (const token of tokens) scores[token] = Number.NEGATIVE_INFINITY;
  };
}

function force(tokens: readonly number[]): Processor {
  return (scores) => {
    scores.fill(Number.NEGATIVE_INFINITY);
    for (const token of tokens) scores[token] = 0;
  };
}

/** Penalizes each distinct token of the sequence once. */
function penalizeRepetition(penalty: number): Processor {
  return (scores, { ids }) => {
    for (const id of new Set(ids)) {
      const score = scores[id];
      if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty;
    }
  };
}

/** Bans each token that followed an earlier occurrence of the last `size - 1` tokens. */
function banRepeatedNgrams(size: number): Processor {
  return (scores, { ids }) => {
    const suffix = ids.length + 1 - size;
    if (suffix < 0) return;
    for (let start = 0; start < suffix; start++) {
      let same = 0;
      while (same < size - 1 && ids[start + same] === ids[suffix + same]) same++;
      const token = ids[start + size - 1] as number;
      if (same === size - 1 && token < scores.length) scores[token] = Number.NEGATIVE_INFINITY;
    }
  };
}

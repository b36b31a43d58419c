// What is done to a token's scores before one is chosen, as transformers' logits processors do it, in their order.
import type { GenerationSettings } from "./settings.js";

/** A sequence so far. */
export interface Sequence {
  /** Of prompt and continuation. */
  readonly ids: readonly number[];
  readonly promptLength: number;
  /** Of the continuation, at most. */
  readonly maxNewTokens: number;
}

/** Changes scores of the next token in place: logits, or log-probabilities under beams. */
export type Processor = (scores: Float32Array, sequence: Sequence) => void;

/** Those that the settings ask for. */
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

/** A token that is forced after a prompt of one is not the first. */
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

/** Makes each token that is there less likely, once, however often it is there. */
function penalizeRepetition(penalty: number): Processor {
  return (scores, { ids }) => {
    for (const id of new Set(ids)) {
      const score = scores[id];
      if (score !== undefined) scores[id] = score < 0 ? score * penalty : score / penalty;
    }
  };
}

/** Whatever followed the last `size - 1` tokens before does not follow them again. */
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

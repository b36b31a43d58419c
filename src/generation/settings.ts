/** How tokens are drawn. */
export interface SamplingSettings {
  /** Logits are divided by it: above 0. */
  readonly temperature: number;
  /** Only so many tokens can be drawn, the likeliest; 0 for all. */
  readonly topK: number;
  /** Only the likeliest tokens that together have this probability; 1 for all. */
  readonly topP: number;
  /** Only tokens that have this share of the likeliest one's probability; undefined for all. */
  readonly minP: number | undefined;
}

/** How several continuations of one prompt are gone on with at once. */
export interface BeamSettings {
  readonly count: number;
  /** A continuation's log-probability is divided by its length to this power. */
  readonly lengthPenalty: number;
  /** Whether it ends as soon as there are `count` finished ones; else when no better one is likely, or none possible. */
  readonly earlyStopping: boolean | "never";
}

/** How a model goes on from a prompt. */
export interface GenerationSettings {
  /** Each of them ends a continuation. */
  readonly endTokens: readonly number[];
  /** What is divided from logits of tokens that were there, prompt included; 1 for nothing. */
  readonly repetitionPenalty: number;
  /** No sequence of so many tokens comes twice, prompt included; 0 for no limit. */
  readonly noRepeatNgram: number;
  /** Tokens that never come, and those that don't come first. */
  readonly suppressTokens: readonly number[];
  readonly beginSuppressTokens: readonly number[];
  /** No end before so many tokens: with the prompt, and without it. */
  readonly minLength: number;
  readonly minNewTokens: number;
  /** What comes after a prompt of one token, and what comes last where there is no more room. */
  readonly forcedBosToken: number | undefined;
  readonly forcedEosTokens: readonly number[] | undefined;
  /** Undefined: the likeliest token is taken. */
  readonly sampling: SamplingSettings | undefined;
  /** Undefined: one continuation. */
  readonly beams: BeamSettings | undefined;
  /** Texts that end a continuation, and tokens that end it as such texts do. */
  readonly stop: readonly string[];
  readonly stopTokens: readonly number[];
}

/** The likeliest token each time, until there is no more room. */
export const GREEDY: GenerationSettings = {
  endTokens: [],
  repetitionPenalty: 1,
  noRepeatNgram: 0,
  suppressTokens: [],
  beginSuppressTokens: [],
  minLength: 0,
  minNewTokens: 0,
  forcedBosToken: undefined,
  forcedEosTokens: undefined,
  sampling: undefined,
  beams: undefined,
  stop: [],
  stopTokens: [],
};

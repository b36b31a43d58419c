// Text generation: settings, logits processors, sampling, beam search, stop strings, streaming.

export { type Computed, Continuations, type Continued, draftedOf, tokensOf } from "./continuations.js";
export { DRAFT_TOKENS, type Draft, type DraftedSequence, ngramDraft } from "./drafts/draft.js";
export { modelDraft } from "./drafts/modelDraft.js";
export {
  type Generated,
  type GeneratedPiece,
  generateBatch,
  generateRows,
  generateTexts,
  StopStrings,
  splitStops,
  type TextModel,
  TextWriter,
} from "./generateTexts.js";
export { type NextTokens, newSearch } from "./generateTokens.js";
export {
  type GenerationConfig,
  type GenerationOverrides,
  type GenerationSettings,
  maxNewTokensAfter,
  PromptTooLong,
  readGenerationConfig,
  resolveGeneration,
  SAMPLING_KEYS,
} from "./generationSettings.js";
export { CallConstraint, type CallTokens } from "./grammar/callConstraint.js";
export { type Grammar, Grammars } from "./grammar/grammars.js";
export type { JsonSchema } from "./grammar/jsonGrammar.js";
export { topK } from "./sampling.js";
export { type Finish, follow, type Prompt, type Search, type StopCheck } from "./search.js";
export { finite, SequenceBatch, type SequenceTokens } from "./sequenceBatch.js";

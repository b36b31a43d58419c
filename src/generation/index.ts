/** Text generation: settings, logits processors, sampling, beam search, stop strings, streaming. */

export { DRAFT_TOKENS, type Draft, type DraftedSequence } from "./drafts/draft.js";
export { Drafting } from "./drafts/drafting.js";
export { modelDraft } from "./drafts/modelDraft.js";
export { ngramDraft } from "./drafts/ngrams.js";
export {
  type Generated,
  type GeneratedPiece,
  generateBatch,
  generateRows,
  generateTexts,
  type TextModel,
  type TextOptions,
  TextWriter,
} from "./generateTexts.js";
export { type GenerateOptions, generateTokens, type NextTokens, newSearch, withDraft } from "./generateTokens.js";
export { type GenerationConfig, readGenerationConfig } from "./generationConfig.js";
export {
  type BeamSettings,
  type GenerationOverrides,
  type GenerationSettings,
  GREEDY,
  maxNewTokensAfter,
  PromptTooLong,
  resolveGeneration,
  SAMPLING_KEYS,
  type SamplingSettings,
} from "./generationSettings.js";
export { type Grammar, Grammars } from "./grammar/grammars.js";
export type { JsonSchema } from "./grammar/jsonGrammar.js";
export { topK } from "./sampling.js";
export { type Finish, follow, type Prompt, type Search, type SearchStep, type StopCheck } from "./search.js";
export { finite, type PassCounts, SequenceBatch, type SequenceTokens } from "./sequenceBatch.js";
export { StopStrings, splitStops } from "./stopStrings.js";

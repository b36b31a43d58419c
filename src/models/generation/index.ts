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
  TextWriter,
} from "./generateTexts.js";
export { type NextTokens, newSearch, withDraft } from "./generateTokens.js";
export { type GenerationConfig, readGenerationConfig } from "./generationConfig.js";
export {
  type GenerationOverrides,
  type GenerationSettings,
  maxNewTokensAfter,
  PromptTooLong,
  resolveGeneration,
  SAMPLING_KEYS,
} from "./generationSettings.js";
export { type Grammar, Grammars } from "./grammar/grammars.js";
export type { JsonSchema } from "./grammar/jsonGrammar.js";
export { topK } from "./sampling.js";
export { type Finish, follow, type Prompt, type Search, type StopCheck } from "./search.js";
export { finite, type PassCounts, SequenceBatch, type SequenceTokens } from "./sequenceBatch.js";
export { StopStrings, splitStops } from "./stopStrings.js";

/** Text generation: settings, logits processors, sampling, beam search, stop strings, streaming. */
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
export {
  areFinite,
  type GenerateOptions,
  generateTokens,
  type NewTokens,
  type NextTokens,
  newSearch,
  type PassCounts,
  SequenceBatch,
} from "./generateTokens.js";
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
export type { Finish, Prompt, Search, SearchStep, StopCheck } from "./search.js";
export { StopStrings, splitStops } from "./stopStrings.js";

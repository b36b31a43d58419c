/** Text generation: settings, logits processors, sampling, beam search, stop strings, streaming. */
export {
  type Generated,
  type GeneratedPiece,
  generateBatch,
  generateRows,
  generateTexts,
  type TextModel,
  type TextOptions,
} from "./generateTexts.js";
export { type GenerateOptions, generateTokens, type NextTokens } from "./generateTokens.js";
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
export type { Finish, Prompt } from "./search.js";
export { splitStops } from "./stopStrings.js";

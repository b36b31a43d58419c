export { type Generated, type GeneratedPiece, generateRows, generateTexts, type TextModel } from "./generateTexts.js";
export { type Finish, type GenerateOptions, generateTokens, type NextTokens, type Prompt } from "./generateTokens.js";
export { type GenerationConfig, readGenerationConfig } from "./generationConfig.js";
export {
  type GenerationWishes,
  PromptTooLong,
  resolveGeneration,
  roomAfter,
  SAMPLING_KEYS,
} from "./resolveGeneration.js";
export { type BeamSettings, type GenerationSettings, GREEDY, type SamplingSettings } from "./settings.js";
export { splitStops } from "./stopTexts.js";

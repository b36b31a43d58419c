// Tokenizers and chat templates.
export { TOKENIZER_FILES } from "../base/index.js";
export { ChatTemplate, ChatTemplateError, type RenderedChat, type RenderOptions } from "./chatTemplate.js";
export {
  asConversation,
  type Conversation,
  type Message,
  ROLES,
  type TextPart,
  type Tool,
  type ToolCall,
  upTo,
  withoutTools,
} from "./conversation.js";
export { type DecodeOptions, TextStream, TokenBytes, textEnd } from "./decoder.js";
export type { Encoded, TextTokens, Window } from "./layout.js";
export { listTokenizerFiles, loadTokenizer, type TokenizerOptions } from "./loadTokenizer.js";
export { preloadTokenizers } from "./preload.js";
export type { EncodedWords } from "./splitWords.js";
export { HAS_LONE_SURROGATE, isWellFormed, RefusedText } from "./surrogates.js";
export { type Texts, type TokenizeOptions, Tokenizer } from "./tokenizer.js";
export {
  addedTokensOf,
  byteLevelBpe,
  joinedPieces,
  metaspace,
  QWEN2_WORDS,
  sequence,
  splitByteLevel,
  stepsOf,
  templateProcessing,
} from "./tokenizerJson.js";
export { SPECIAL_TOKENS } from "./tokenizerSettings.js";
export { faultInCalls, faultInKwargs, faultInResults, faultInTools } from "./toolFaults.js";

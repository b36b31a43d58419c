export { TOKENIZER_FILES, TOKENIZER_SPECS } from "../files/names.js";
export {
  ChatTemplate,
  ChatTemplateError,
  type Message,
  type RenderedChat,
  type RenderOptions,
  ROLES,
  type TextPart,
} from "./chatTemplate.js";
export { type DecodeOptions, TextStream, textEnd } from "./decoder.js";
export { listTokenizerFiles } from "./files.js";
export type { Encoded } from "./layout.js";
export { loadTokenizer } from "./load.js";
export { joinedPieces, metaspace } from "./metaspace.js";
export { HAS_HALF, isWhole, RefusedText } from "./surrogates.js";
export { type EncodedWords, type EncodeOptions, type Texts, Tokenizer } from "./tokenizer.js";
export type { TextTokens, Window } from "./windows.js";

export { ChatTemplate, ChatTemplateError, type RenderedChat, type RenderOptions } from "./chatTemplate.js";
export { type Message, ROLES, type TextPart } from "./conversation.js";
export { listTokenizerFiles, TOKENIZER_FILES, TOKENIZER_SPECS } from "./files.js";
export type { Encoded } from "./layout.js";
export { loadTokenizer } from "./load.js";
export { UncuttableText } from "./start.js";
export { isWhole } from "./surrogates.js";
export { type EncodedWords, type EncodeOptions, type Texts, Tokenizer } from "./tokenizer.js";
export type { TextTokens, Window } from "./windows.js";

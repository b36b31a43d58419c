export { listTokenizerFiles, TOKENIZER_FILES, TOKENIZER_SPECS } from "./files.js";
export type { Encoded } from "./layout.js";
export { loadTokenizer } from "./load.js";
export { UncuttableText } from "./start.js";
export { type EncodedWords, type EncodeOptions, type Texts, Tokenizer } from "./tokenizer.js";
export type { Window } from "./windows.js";

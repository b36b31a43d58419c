/** The native library `tokenizers`, as far as it is used here. Its own types do not compile, so nothing that is published refers to them. */
import { createRequire } from "node:module";

/** The tokens of one text or two. */
export interface NativeEncoding {
  getLength(): number;
  getIds(): number[];
  getTypeIds(): number[];
  getOffsets(): number[][];
  /** Which text each token belongs to; of a special token none. */
  getSequenceIds(): readonly (number | undefined | null)[];
}

interface NativeEncodeOptions {
  readonly addSpecialTokens?: boolean;
}

export interface NativeTokenizer {
  encode(text: string, pair?: string | null, options?: NativeEncodeOptions): Promise<NativeEncoding>;
  encodeBatch(texts: string[], options?: NativeEncodeOptions): Promise<NativeEncoding[]>;
  decode(ids: number[], skipSpecialTokens: boolean): Promise<string>;
  getVocab(): Record<string, number>;
  getVocabSize(withAddedTokens: boolean): number;
  idToToken(id: number): string | null;
  tokenToId(token: string): number | null;
}

const require = createRequire(import.meta.url);

/** Loads the native library at its first use: until libtorch is loaded, in a thread of its own, no other library can be. */
export function createNative(text: string): NativeTokenizer {
  const { Tokenizer: Native } = require("tokenizers") as typeof import("tokenizers");
  return Native.fromString(text);
}

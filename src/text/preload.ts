// Readies the tokenizers' library for use while another thread loads libtorch. As long as the system's linker does that, no other library can be
// loaded, and a thread waits in its first call of a Rust library, which registers what to clean up at the thread's end. So the library is loaded
// before, and each thread that tokenizes has had its first call. Without this, tokenizing would begin only when libtorch is there.
import { createNative } from "./native.js";

/** A tokenizer that does what most others do, with one word. */
const SMALLEST = JSON.stringify({
  normalizer: { type: "BertNormalizer", clean_text: true, handle_chinese_chars: true, lowercase: true },
  pre_tokenizer: { type: "BertPreTokenizer" },
  model: {
    type: "WordPiece",
    vocab: { a: 0 },
    unk_token: "a",
    continuing_subword_prefix: "##",
    max_input_chars_per_word: 9,
  },
});

/** Node's threads for such calls, and enough texts in each to be shared out to the library's own. */
const CALLS = 4;
const TEXTS = Array.from({ length: 32 }, () => "a a");

/** Resolves when the library is ready. The first tokenizer reports errors. */
export async function preloadTokenizers(): Promise<void> {
  try {
    const tokenizer = createNative(SMALLEST);
    await Promise.all(Array.from({ length: CALLS }, () => tokenizer.encodeBatch(TEXTS)));
  } catch {}
}

import type { SpecialToken } from "./tokenizerSettings.js";

export type DefaultTokens = Readonly<Partial<Record<SpecialToken, string>>>;

export const BERT: DefaultTokens = {
  unk_token: "[UNK]",
  sep_token: "[SEP]",
  pad_token: "[PAD]",
  cls_token: "[CLS]",
  mask_token: "[MASK]",
};
export const ROBERTA: DefaultTokens = {
  bos_token: "<s>",
  eos_token: "</s>",
  unk_token: "<unk>",
  sep_token: "</s>",
  pad_token: "<pad>",
  cls_token: "<s>",
  mask_token: "<mask>",
};
export const ESM: DefaultTokens = {
  unk_token: "<unk>",
  cls_token: "<cls>",
  pad_token: "<pad>",
  mask_token: "<mask>",
  eos_token: "<eos>",
};
export const GPT2: DefaultTokens = {
  bos_token: "<|endoftext|>",
  eos_token: "<|endoftext|>",
  unk_token: "<|endoftext|>",
};
const LLAMA: DefaultTokens = { bos_token: "<s>", eos_token: "</s>", unk_token: "<unk>" };
const QWEN: DefaultTokens = { eos_token: "<|endoftext|>", unk_token: "<|endoftext|>", pad_token: "<|endoftext|>" };
const GEMMA: DefaultTokens = { bos_token: "<bos>", eos_token: "<eos>", unk_token: "<unk>", pad_token: "<pad>" };

/** By the class's name, or the model's type, without `Tokenizer` and signs. */
const DECODERS: ReadonlyMap<string, DefaultTokens> = new Map([
  ["gpt2", GPT2],
  ["llama", LLAMA],
  ["mistral", LLAMA],
  ["phi3", LLAMA],
  ["qwen2", QWEN],
  ["qwen3", QWEN],
  ["gemma", GEMMA],
  ["gemma2", GEMMA],
  ["gemma3text", GEMMA],
]);

/** The tokens that a decoder's tokenizer has in transformers where its folder names none. */
export function decoderTokens(kind: string | undefined): DefaultTokens {
  return DECODERS.get((kind ?? "").replace(/Tokenizer$|[-_]/g, "").toLowerCase()) ?? {};
}

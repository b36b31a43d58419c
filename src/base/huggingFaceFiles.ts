// The names of files in the folders of models and adapters, as Hugging Face's libraries know them.

export const CONFIG_FILE = "config.json";
export const GENERATION_CONFIG = "generation_config.json";
export const WEIGHTS_FILE = "model.safetensors";
export const WEIGHTS_INDEX = "model.safetensors.index.json";
export const ADAPTER_CONFIG = "adapter_config.json";
export const CHAT_TEMPLATE = "chat_template.jinja";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";

/** The files by which sentence-transformers knows how a model's token states become embeddings. */
export const SENTENCE_TRANSFORMERS = {
  modules: "modules.json",
  transformer: "sentence_bert_config.json",
  prompts: "config_sentence_transformers.json",
} as const;
/** The folders of sentence-transformers' modules, as bidora names them. */
export const MODULE_FOLDERS = { pooling: "1_Pooling", normalize: "2_Normalize" } as const;

/** The folder of a model's ONNX graphs, and what it may hold. */
export const ONNX_FOLDER = "onnx";
const ONNX_FILE = /^model(_[a-z0-9]+)?\.onnx(_data(_\d+)?)?$/;
export const isOnnxFile = (name: string): boolean => ONNX_FILE.test(name);

/** Every file that a tokenizer may consist of, under Hugging Face's names. */
export const TOKENIZER_FILES = [
  "tokenizer.json",
  "tokenizer_config.json",
  "special_tokens_map.json",
  "added_tokens.json",
  "vocab.txt",
  "vocab.json",
  "merges.txt",
  CHAT_TEMPLATE,
] as const;

export type TokenizerFile = (typeof TOKENIZER_FILES)[number];

/** The files that define a tokenizer's vocabulary; the first one present is used. */
export const TOKENIZER_SPECS: readonly TokenizerFile[] = ["tokenizer.json", "vocab.txt", "vocab.json"];

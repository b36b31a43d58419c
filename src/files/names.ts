// The names of files in the folders of models, adapters and runs. The name of a file with a schema is next to that schema.

export const CONFIG_FILE = "config.json";
export const GENERATION_CONFIG = "generation_config.json";
export const WEIGHTS_FILE = "model.safetensors";
export const WEIGHTS_INDEX = "model.safetensors.index.json";
export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";
/** Weights of an adapter that PEFT can't hold, such as magnitudes along "in": PEFT would misread them under its own file name. */
export const OWN_WEIGHTS = "bidora_adapter.safetensors";
export const ADAPTER_METADATA = "bidora.json";
/** A GGUF file in place of safetensors, and the facts about its source. */
export const GGUF_FILE = "model.gguf";
export const GGUF_SOURCE = "gguf.json";

/** The files by which sentence-transformers knows how a model's token states become embeddings. */
export const SENTENCE_TRANSFORMERS = {
  modules: "modules.json",
  transformer: "sentence_bert_config.json",
  prompts: "config_sentence_transformers.json",
} as const;
/** The folders of sentence-transformers' modules, as bidora names them. */
export const MODULE_FOLDERS = { pooling: "1_Pooling", normalize: "2_Normalize" } as const;

/** The files of an adapter that hold tensors. */
export const ADAPTER_WEIGHT_FILES: readonly string[] = [ADAPTER_WEIGHTS, OWN_WEIGHTS];
/** Every file that an adapter can consist of. */
export const ADAPTER_FILES: readonly string[] = [ADAPTER_CONFIG, ...ADAPTER_WEIGHT_FILES, ADAPTER_METADATA];

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
  "chat_template.jinja",
] as const;

export type TokenizerFile = (typeof TOKENIZER_FILES)[number];

/** The files that define a tokenizer's vocabulary; the first one present is used. */
export const TOKENIZER_SPECS = [
  "tokenizer.json",
  "vocab.txt",
  "vocab.json",
] as const satisfies readonly TokenizerFile[];

/** The first file that a run writes. It marks the folder as a run of bidora. */
export const MARKER = ".bidora-run";
export const RUN_FILE = "run.yaml";
export const CARD = "README.md";
export const REPORT = "report.html";
/** The folder of TensorBoard's event files. */
export const TENSORBOARD = "tensorboard";
export const PROFILE = { table: "profile.txt", trace: "profile.json" } as const;

/** An event file that bidora writes for TensorBoard. Other programs put the host's name where "bidora" is. */
const EVENT_FILE = /^events\.out\.tfevents\.(\d{10,})\.bidora\.\d+$/;

export const isEventFile = (name: string): boolean => EVENT_FILE.test(name);

/** The time in an event file's name, in seconds since 1970; 0 for another name. */
export const eventFileSeconds = (name: string): number => Number(EVENT_FILE.exec(name)?.[1] ?? 0);

export const eventFileName = (seconds: number): string =>
  `events.out.tfevents.${String(seconds).padStart(10, "0")}.bidora.${process.pid}`;

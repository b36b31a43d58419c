/** The names that Hugging Face's programs give to the files of models and adapters. */
export const CONFIG_FILE = "config.json";
export const WEIGHTS_FILE = "model.safetensors";
export const WEIGHTS_INDEX = "model.safetensors.index.json";
export const ADAPTER_CONFIG = "adapter_config.json";
export const ADAPTER_WEIGHTS = "adapter_model.safetensors";
/** A GGUF file in the place of safetensors, and what it was when the folder was made for it. */
export const GGUF_FILE = "model.gguf";
export const GGUF_SOURCE = "gguf.json";

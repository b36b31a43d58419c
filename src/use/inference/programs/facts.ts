// What other programs take, of the models that bidora has: with the file of their repository that says it, and when it was read.

/** Classes in vLLM's docs/models/supported_models.md (November 2026). */
export const GENERATES = [
  "GPT2LMHeadModel",
  "LlamaForCausalLM",
  "MistralForCausalLM",
  "Qwen2ForCausalLM",
  "Qwen3ForCausalLM",
  "Phi3ForCausalLM",
  "Gemma3ForCausalLM",
];

/** The same in docs/models/pooling_models (November 2026): classes for embeddings, classification and token classification. */
export const POOLS = [
  ...["BertModel", "ModernBertModel", "RobertaModel", "XLMRobertaModel"],
  ...["LlamaModel", "MistralModel", "Qwen2Model", "Qwen3Model", "Gemma3TextModel"],
  ...["BertForSequenceClassification", "RobertaForSequenceClassification", "XLMRobertaForSequenceClassification"],
  ...["GPT2ForSequenceClassification", "Qwen2ForSequenceClassification", "Qwen3ForSequenceClassification"],
  ...["BertForTokenClassification", "ModernBertForTokenClassification", "Qwen3ForTokenClassification"],
];

/** Classes marked for LoRA in the first table, all but GPT-2; the other tables mark decoders only. */
export const WITH_LORA = GENERATES.filter((name) => name !== "GPT2LMHeadModel");

/** `MaxLoRARanks` of vllm/config/lora.py; the default is 16. */
export const MAX_RANKS = [1, 8, 16, 32, 64, 128, 256, 320, 512];
export const DEFAULT_MAX_RANK = 16;

/** Classes that llama.cpp's convert_hf_to_gguf.py registers (November 2026), which bidora writes no GGUF for, or only for embeddings. */
export const CONVERTED = [
  ...["GPT2LMHeadModel", "Phi3ForCausalLM"],
  ...["BertModel", "BertForSequenceClassification", "CamembertModel"],
  ...["RobertaModel", "RobertaForSequenceClassification", "XLMRobertaModel", "XLMRobertaForSequenceClassification"],
  ...["DistilBertModel", "DistilBertForSequenceClassification"],
  ...["ModernBertModel", "ModernBertForSequenceClassification"],
];

const DECODERS = ["gpt2", "llama", "mistral", "qwen2", "qwen3", "phi3", "gemma3_text"];

/**
 * Families that bidora has and transformers.js 4 has no class for, by the suffix of the class's name (its src/models/registry.js; a test reads
 * the installed version). Its AutoModel has a class for every family.
 */
export const WITHOUT_CLASS: Readonly<Record<string, readonly string[]>> = {
  ForSequenceClassification: DECODERS,
  ForTokenClassification: DECODERS,
  ForQuestionAnswering: [...DECODERS, "modernbert", "esm"],
};

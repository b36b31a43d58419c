import { isJsonObject, type JsonObject, type JsonValue } from "../files/json.js";
import { joinedPieces, metaspace } from "./metaspace.js";
import type { TokenizerSettings } from "./tokenizerSettings.js";

/** What tokenizer_config.json says outright counts more than tokenizer.json, as in transformers: but not to a general class. */
export function withSettings(spec: JsonObject, settings: TokenizerSettings): JsonObject {
  const { config, isGeneral } = settings;
  if (isGeneral) return withTokens(spec, settings);
  if (isLlama(spec, settings)) return withTokens(llama(spec, config), settings);
  const { normalizer, pre_tokenizer } = spec;
  const changed: Record<string, JsonValue> = { ...spec };
  if (isJsonObject(normalizer) && normalizer.type === "BertNormalizer") {
    const { do_lower_case, strip_accents, tokenize_chinese_chars } = config;
    changed.normalizer = {
      ...normalizer,
      ...(do_lower_case !== undefined && { lowercase: do_lower_case }),
      ...(strip_accents !== undefined && { strip_accents }),
      ...(tokenize_chinese_chars !== undefined && { handle_chinese_chars: tokenize_chinese_chars }),
    };
  }
  if (isJsonObject(pre_tokenizer) && pre_tokenizer.type === "ByteLevel" && config.add_prefix_space !== undefined) {
    changed.pre_tokenizer = { ...pre_tokenizer, add_prefix_space: config.add_prefix_space };
  }
  return withTokens(changed, settings);
}

/** Models whose tokenizers transformers takes as they are, whatever class is named for them. */
const AS_THEY_ARE: readonly unknown[] = ["mistral", "phi3", "modernbert"];

/** Whether transformers makes the tokenizer itself, of the file's vocabulary alone. */
function isLlama({ model, pre_tokenizer }: JsonObject, { className, modelType }: TokenizerSettings): boolean {
  if (className !== "LlamaTokenizer" || AS_THEY_ARE.includes(modelType)) return false;
  return isJsonObject(model) && model.type === "BPE" && !JSON.stringify(pre_tokenizer ?? null).includes("ByteLevel");
}

/** Sentencepiece's BPE: `legacy` puts a space before what follows a special token too, not before a text alone. */
function llama(spec: JsonObject, { add_prefix_space, legacy }: JsonObject): JsonObject {
  const prefixes = (add_prefix_space ?? true) !== false;
  const scheme = legacy === true ? "always" : "first";
  return {
    ...spec,
    normalizer: null,
    pre_tokenizer: metaspace(prefixes ? scheme : "never"),
    decoder: joinedPieces(prefixes),
  };
}

/** Tokens that the folder names elsewhere come after those that tokenizer.json finds in a text; new ones have new numbers. */
function withTokens(spec: JsonObject, { config, specialTokens, extraTokens }: TokenizerSettings): JsonObject {
  const listed = (Array.isArray(spec.added_tokens) ? spec.added_tokens : []).filter(isJsonObject);
  const vocab = isJsonObject(spec.model) && isJsonObject(spec.model.vocab) ? spec.model.vocab : undefined;
  if (vocab === undefined) return spec;
  const ids = new Map(Object.entries(vocab) as [string, number][]);
  for (const { content, id } of listed) ids.set(String(content), id as number);
  let next = 1 + [...ids.values()].reduce((most, id) => Math.max(most, id), -1);
  const known = new Set(listed.map(({ content }) => content));
  const decoded = isJsonObject(config.added_tokens_decoder) ? Object.keys(config.added_tokens_decoder).length : 0;
  const named = [...extraTokens.slice(0, decoded), ...specialTokens.values(), ...extraTokens.slice(decoded)];
  const plain = { single_word: false, lstrip: false, rstrip: false, normalized: false, special: true };
  const added = named.flatMap(({ content, flags }) => {
    if (known.has(content)) return [];
    known.add(content);
    return [{ id: ids.get(content) ?? next++, content, ...plain, ...flags }];
  });
  return added.length === 0 ? spec : { ...spec, added_tokens: [...listed, ...added] };
}

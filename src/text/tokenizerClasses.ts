// transformers' tokenizer classes that take a tokenizer.json's vocabulary only, and set how texts are normalized and split themselves.
import { isJsonObject, type JsonObject, type JsonValue } from "../base/records/index.js";
import {
  byteLevelBpe,
  joinedPieces,
  metaspace,
  QWEN2_WORDS,
  sequence,
  splitByteLevel,
  stepsOf,
  tokenIds,
} from "./tokenizerJson.js";
import {
  BERT,
  DEBERTA_V2,
  type DefaultTokens,
  GEMMA,
  GPT2,
  LLAMA,
  MPNET,
  QWEN2,
  ROBERTA,
  roles,
  type SpecialToken,
  type TokenizerSettings,
} from "./tokenizerSettings.js";

/** What a class builds its tokenizer from. */
interface Source {
  /** A tokenizer.json with the vocabulary, and perhaps with sections that the class does not take. */
  readonly spec: JsonObject;
  readonly model: JsonObject;
  readonly config: JsonObject;
  readonly special: ReadonlyMap<SpecialToken, string>;
}

export interface TokenizerClass {
  /** The type of the model in the tokenizer.json. */
  readonly model: "BPE" | "Unigram" | "WordPiece";
  readonly defaults: DefaultTokens;
  /** The file that its vocabulary may be read from without a tokenizer.json. */
  readonly vocabulary?: "vocab.json" | "vocab.txt";
  /** Whether the mask token takes the space before it, unless the files say otherwise. */
  readonly masksSpace?: boolean;
  /** The sections of the tokenizer.json that it sets; of others, such as a post-processor, the file's are kept. */
  sections(source: Source): JsonObject;
}

// WordPiece

function wordPiece({ model, config, special }: Source): JsonObject {
  const { do_lower_case, strip_accents, tokenize_chinese_chars } = config;
  const unknown = special.get("unk_token");
  return {
    normalizer: {
      type: "BertNormalizer",
      clean_text: true,
      handle_chinese_chars: tokenize_chinese_chars ?? true,
      strip_accents: strip_accents ?? null,
      lowercase: do_lower_case ?? true,
    },
    pre_tokenizer: { type: "BertPreTokenizer" },
    decoder: { type: "WordPiece", prefix: "##", cleanup: true },
    model: {
      type: "WordPiece",
      ...(unknown !== undefined && { unk_token: unknown }),
      continuing_subword_prefix: "##",
      max_input_chars_per_word: 100,
      vocab: model.vocab!,
    },
  };
}

/** The tokens of roles with their ids, as `BertProcessing` and `RobertaProcessing` have them. */
function withIds({ spec, special }: Source, ...wanted: readonly SpecialToken[]): [string, number][] {
  const ids = tokenIds(spec);
  return wanted.map((role) => {
    const token = special.get(role) ?? "";
    return [token, ids.get(token) ?? 0];
  });
}

/** `[CLS] A [SEP] B [SEP]`, with token types. */
function bertProcessing(source: Source): JsonObject {
  const [cls, sep] = withIds(source, "cls_token", "sep_token");
  return { type: "BertProcessing", cls: cls!, sep: sep! };
}

/** `<s> A </s> </s> B </s>`. Offsets are trimmed as byte-level BPE needs it. */
function robertaProcessing(source: Source, start: SpecialToken, end: SpecialToken, more: JsonObject = {}): JsonObject {
  const [cls, sep] = withIds(source, start, end);
  return { type: "RobertaProcessing", cls: cls!, sep: sep!, trim_offsets: false, add_prefix_space: false, ...more };
}

const bert: TokenizerClass = {
  model: "WordPiece",
  defaults: BERT,
  vocabulary: "vocab.txt",
  sections: (source) => ({ ...wordPiece(source), post_processor: bertProcessing(source) }),
};

const mpnet: TokenizerClass = {
  model: "WordPiece",
  defaults: MPNET,
  vocabulary: "vocab.txt",
  masksSpace: true,
  sections: (source) => ({ ...wordPiece(source), post_processor: robertaProcessing(source, "cls_token", "sep_token") }),
};

// Byte-level BPE

/** The model with only its vocabulary: other settings, such as `ignore_merges`, are the class's. */
const merging = ({ vocab, merges }: JsonObject) => byteLevelBpe({ vocab: vocab!, merges: merges! });

const byteLevel = ({ model, config }: Source): JsonObject => ({
  normalizer: null,
  pre_tokenizer: {
    type: "ByteLevel",
    add_prefix_space: config.add_prefix_space ?? false,
    trim_offsets: true,
    use_regex: true,
  },
  ...merging(model),
});

const gpt2: TokenizerClass = { model: "BPE", defaults: GPT2, vocabulary: "vocab.json", sections: byteLevel };

const roberta: TokenizerClass = {
  model: "BPE",
  defaults: ROBERTA,
  vocabulary: "vocab.json",
  sections: (source) => {
    const { trim_offsets = true, add_prefix_space = false } = source.config;
    const offsets = { trim_offsets, add_prefix_space };
    return { ...byteLevel(source), post_processor: robertaProcessing(source, "cls_token", "sep_token", offsets) };
  },
};

const qwen2: TokenizerClass = {
  model: "BPE",
  defaults: QWEN2,
  vocabulary: "vocab.json",
  sections: ({ model, config }) => ({
    normalizer: { type: "NFC" },
    pre_tokenizer: splitByteLevel(QWEN2_WORDS, config.add_prefix_space ?? false),
    ...merging(model),
  }),
};

// SentencePiece: BPE, then Unigram

/** `legacy` puts a space also after special tokens, not only before a text. */
const llama: TokenizerClass = {
  model: "BPE",
  defaults: LLAMA,
  sections: ({ config }) => {
    const prefixes = (config.add_prefix_space ?? true) !== false;
    const scheme = config.legacy === true ? "always" : "first";
    return {
      normalizer: null,
      pre_tokenizer: metaspace(prefixes ? scheme : "never"),
      decoder: joinedPieces(prefixes),
    };
  },
};

const gemma: TokenizerClass = {
  model: "BPE",
  defaults: GEMMA,
  sections: () => ({
    normalizer: { type: "Replace", pattern: { String: " " }, content: "▁" },
    pre_tokenizer: { type: "Split", pattern: { String: " " }, behavior: "MergedWithPrevious", invert: false },
    decoder: joinedPieces(false),
  }),
};

/** SentencePiece's words; the same step is their decoder. */
const spaced = (scheme: Parameters<typeof metaspace>[0]): JsonObject => ({ ...metaspace(scheme), split: true });

/** The model with the index of its unknown token. */
const unigram = ({ vocab }: JsonObject, unk_id: JsonValue): JsonObject => {
  return { type: "Unigram", unk_id, vocab: vocab!, byte_fallback: false };
};

/** The index of the first piece that fits; undefined if there is none. */
function indexIn({ vocab }: JsonObject, fits: (piece: unknown, score: unknown) => boolean): number | undefined {
  const pieces = Array.isArray(vocab) ? vocab : [];
  const index = pieces.findIndex((each) => Array.isArray(each) && fits(each[0], each[1]));
  return index < 0 ? undefined : index;
}

/** XLM-RoBERTa's and CamemBERT's: words apart by white space, and of the file's normalizer only the table of characters. */
function sentencePiece(source: Source, unknown: number): JsonObject {
  const { spec, model, config } = source;
  const table = stepsOf(spec.normalizer, "normalizers").find(({ type }) => type === "Precompiled");
  const words = spaced((config.add_prefix_space ?? true) !== false ? "always" : "never");
  return {
    normalizer: table ?? null,
    pre_tokenizer: sequence({ type: "WhitespaceSplit" }, words),
    decoder: words,
    post_processor: robertaProcessing(source, "bos_token", "eos_token"),
    model: unigram(model, unknown),
  };
}

const xlmRoberta: TokenizerClass = {
  model: "Unigram",
  defaults: ROBERTA,
  sections: (source) => sentencePiece(source, 3),
};

const camembert: TokenizerClass = {
  model: "Unigram",
  defaults: ROBERTA,
  sections: (source) => {
    const unknown = source.special.get("unk_token");
    return sentencePiece(source, indexIn(source.model, (piece) => piece === unknown) ?? 0);
  },
};

function debertaNormalizer({ do_lower_case }: JsonObject): JsonObject {
  const steps = [
    { type: "Replace", pattern: { Regex: "\\s{2,}|[\\n\\r\\t]" }, content: " " },
    { type: "NFC" },
    { type: "Strip", strip_left: false, strip_right: true },
  ];
  return { type: "Sequence", normalizers: do_lower_case === true ? [{ type: "Lowercase" }, ...steps] : steps };
}

const debertaV2: TokenizerClass = {
  model: "Unigram",
  defaults: DEBERTA_V2,
  sections: (source) => {
    const { model, config, special } = source;
    const unknown = special.get("unk_token");
    const words = spaced((config.add_prefix_space ?? true) !== false ? "always" : "first");
    const punctuation = { type: "Punctuation", behavior: "Isolated" };
    return {
      normalizer: debertaNormalizer(config),
      pre_tokenizer: config.split_by_punct === true ? sequence(punctuation, words) : words,
      decoder: words,
      post_processor: bertProcessing(source),
      model: unigram(model, indexIn(model, (piece, score) => piece === unknown && score === 0) ?? config.unk_id ?? 1),
    };
  },
};

/** The classes, each with its names and its models' types, without `Tokenizer` and punctuation. */
const NAMES: readonly (readonly [TokenizerClass, string])[] = [
  [bert, "bert convbert distilbert electra layoutlm mobilebert squeezebert"],
  [mpnet, "mpnet"],
  [roberta, "roberta bart longformer"],
  [gpt2, "gpt2 gptneo gptj opt"],
  [qwen2, "qwen2 qwen3"],
  [gemma, "gemma gemma2 gemma3text"],
  [llama, "llamatokenizer"], // not the model type, with which transformers uses the file unchanged
  [xlmRoberta, "xlmroberta"],
  [camembert, "camembert"],
  [debertaV2, "debertav2"],
];
const CLASSES = new Map(NAMES.flatMap(([of, names]) => names.split(" ").map((name) => [name, of] as const)));

/** Models whose tokenizer.json transformers uses unchanged, whatever class is named, and a class that takes the whole file. */
const AS_THEY_ARE: readonly unknown[] = ["mistral", "phi3", "modernbert", "ConvBertTokenizer"];

/** The class of a name; undefined for one that takes the whole tokenizer.json, and for an unknown one. */
export function tokenizerClass(kind = ""): TokenizerClass | undefined {
  const name = kind.replace(/[-_]/g, "").toLowerCase();
  return CLASSES.get(name) ?? CLASSES.get(name.replace(/tokenizer$/, ""));
}

/** The class that builds a folder's tokenizer from parts of its tokenizer.json; undefined if transformers uses the file unchanged. */
export function classFor(
  spec: JsonObject,
  { kind, modelType, isGeneral }: TokenizerSettings,
): TokenizerClass | undefined {
  if (isGeneral || AS_THEY_ARE.includes(modelType) || AS_THEY_ARE.includes(kind)) return undefined;
  const found = tokenizerClass(kind);
  if (!isJsonObject(spec.model) || spec.model.type !== found?.model) return undefined;
  return found === llama && isByteLevel(spec) ? undefined : found;
}

const isByteLevel = ({ normalizer, pre_tokenizer, decoder, post_processor }: JsonObject): boolean =>
  JSON.stringify([normalizer, pre_tokenizer, decoder, post_processor]).includes('"ByteLevel"');

/** A tokenizer.json with the sections that a class sets. */
export function rebuilt(of: TokenizerClass, spec: JsonObject, settings: TokenizerSettings): JsonObject {
  const special = roles(of.defaults, settings);
  return { ...spec, ...of.sections({ spec, model: spec.model as JsonObject, config: settings.config, special }) };
}

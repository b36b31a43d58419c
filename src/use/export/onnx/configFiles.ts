/** The files beside a graph: config.json and the tokenizer's. */
import { existsSync } from "node:fs";
import { basename, join } from "node:path";
import { GENERATION_CONFIG } from "../../../base/index.js";
import { copyFiles, type JsonObject, readJsonObject, writeFileAtomic } from "../../../base/records/index.js";
import { isSentenceTransformer, readTextReading, type TextReading } from "../../../formats/index.js";
import {
  type DecoderConfig,
  type ModelType,
  modelTypeOf,
  writeModelConfig,
  writeSentenceTransformersFiles,
} from "../../../models/index.js";
import { isOfLanguageModel } from "../../../tasks/index.js";
import { SPECIAL_TOKENS, TOKENIZER_FILES, type Tokenizer } from "../../../text/index.js";
import type { ExportedModel } from "./exportedModel.js";
import { wholeTokenizer } from "./wholeTokenizer.js";

const [TOKENIZER, SETTINGS] = TOKENIZER_FILES;
const TEMPLATE = "chat_template.jinja";

interface ConfigFiles {
  /** The model's folder. */
  readonly source: string;
  readonly opened: ExportedModel;
  readonly tokenizer: Tokenizer;
  readonly files: readonly { readonly path: string; readonly dataFiles: number }[];
}

/** Writes config.json and the tokenizer's files, as transformers.js reads them. */
export function writeConfigFiles(folder: string, { source, opened, tokenizer, files }: ConfigFiles): void {
  const own = tokenizer.files();
  copyFiles(own, source, folder);
  if (own.includes(TEMPLATE)) writeFileAtomic(join(folder, TEMPLATE), tokenizer.chatTemplateText ?? "");
  const reading = readingOf(opened, source);
  writeJson(join(folder, TOKENIZER), wholeTokenizer(tokenizer, reading));
  const given = own.includes(SETTINGS) ? readJsonObject(join(source, SETTINGS)) : {};
  const settings = {
    ...specialsOf(tokenizer),
    ...given,
    ...lengthOf(given, opened, reading),
    ...templateOf(given, tokenizer),
  };
  writeJson(join(folder, SETTINGS), { ...settings, ...classOf(given, tokenizer, opened), ...sideOf(opened) });
  writeSentenceTransformersFiles(folder, { ...opened, maxLength: opened.metadata?.maxLength });
  writeModelConfig(folder, { ...opened, source, dtype: "float32" }, { ...cacheKeys(opened), ...externalData(files) });
  if (isOfLanguageModel(opened.task)) writeJson(join(folder, GENERATION_CONFIG), generationKeys(source, opened));
}

/** How texts are read, also where only the hidden states of a model of sentence-transformers are exported. */
function readingOf({ task, kind }: ExportedModel, source: string): TextReading | undefined {
  const isBare = kind === undefined && isSentenceTransformer(source);
  return task.embedding ?? (isBare ? readTextReading(source) : undefined);
}

/**
 * The longest row, at which pipelines truncate: as in training, and no more than the model has positions for. Training's length says
 * nothing of what a language model can go on with.
 */
function lengthOf(
  { model_max_length: given }: JsonObject,
  { model, task, metadata }: ExportedModel,
  reading: TextReading | undefined,
): JsonObject {
  const own = metadata?.maxLength ?? task.maxLength ?? reading?.maxLength;
  const trained = isOfLanguageModel(task) ? undefined : own;
  const length = Math.min(model.config.maxTokens, trained ?? Number.POSITIVE_INFINITY);
  if (!Number.isFinite(length) || (trained === undefined && typeof given === "number" && given <= length)) return {};
  return { model_max_length: length };
}

/** transformers.js's pooling of the last token takes the last position of a padded batch, whatever stands there. */
const sideOf = ({ task }: ExportedModel): JsonObject =>
  task.embedding?.pooling === "last" ? { padding_side: "left" } : {};

/** Tokenizer classes that give token types in transformers.js, which looks at nothing else, by the models that have such an input. */
const WITH_TYPES: Readonly<Partial<Record<ModelType, string>>> = {
  bert: "BertTokenizer",
  electra: "ElectraTokenizer",
  "deberta-v2": "DebertaV2Tokenizer",
};

/** A class with token types that takes the whole tokenizer.json also in transformers: BERT's own would replace parts of it. */
const WHOLE_WITH_TYPES = "ConvBertTokenizer";

/** A class with which transformers.js gives token types exactly if the tokenizer does. */
function classOf({ tokenizer_class: given }: JsonObject, { givesTypes }: Tokenizer, opened: ExportedModel): JsonObject {
  if (WITH_TYPES[modelTypeOf(opened.architecture)] === undefined) return {};
  const hasTypes = typeof given === "string" && Object.values(WITH_TYPES).includes(given.replace(/Fast$/, ""));
  if (hasTypes === givesTypes) return {};
  return { tokenizer_class: givesTypes ? WHOLE_WITH_TYPES : "PreTrainedTokenizer" };
}

/** The special tokens, which transformers.js looks up in no other file: without a padding token it can pad no batch. */
function specialsOf(tokenizer: Tokenizer): JsonObject {
  const found = SPECIAL_TOKENS.map((role) => {
    const id = role === "pad_token" ? tokenizer.padTokenId : tokenizer.specialTokenId(role);
    return [role, id === undefined ? undefined : tokenizer.tokenText(id)] as const;
  });
  return Object.fromEntries(found.filter(([, text]) => text !== undefined)) as JsonObject;
}

/** The chat template, which transformers.js reads in no other file. */
function templateOf({ chat_template: given }: JsonObject, tokenizer: Tokenizer): JsonObject {
  if (tokenizer.hasNamedTemplates) return { chat_template: (given as NamedTemplate[]).map(plainNamed) };
  const text = tokenizer.chatTemplateText;
  return text === undefined ? {} : { chat_template: withoutGeneration(text) };
}

type NamedTemplate = JsonObject & { readonly template: string };

const plainNamed = (named: NamedTemplate): JsonObject => ({ ...named, template: withoutGeneration(named.template) });

/** A template without `generation` blocks: transformers.js removes their tags, and then strips white space across them. */
const withoutGeneration = (template: string): string =>
  template.replace(
    /\{%([-+]?)\s*(end)?generation\s*([-+]?)%\}/g,
    (_, before, end, after) => `{%${before} ${end ? "endif" : "if true"} ${after}%}`,
  );

/** The keys of Llama-like decoders that transformers.js 3 computes the cache's shape from, where config.json leaves them to their defaults. */
function cacheKeys({ model: { config }, checkpointConfig }: ExportedModel): JsonObject {
  if (!("kvHeads" in config)) return {};
  const { heads, kvHeads, headSize, layers, hiddenSize } = config as DecoderConfig;
  const keys = {
    num_hidden_layers: layers,
    hidden_size: hiddenSize,
    num_attention_heads: heads,
    num_key_value_heads: kvHeads,
    head_dim: headSize,
  };
  return Object.fromEntries(Object.entries(keys).filter(([key]) => (checkpointConfig[key] ?? null) === null));
}

/** Special tokens, which may also stand in config.json. */
const TOKEN_KEYS = ["bos_token_id", "eos_token_id", "pad_token_id"] as const;

/** The model's generation_config.json, or what config.json says of generation. */
function generationKeys(source: string, { checkpointConfig }: ExportedModel): JsonObject {
  const path = join(source, GENERATION_CONFIG);
  const given = existsSync(path) ? readJsonObject(path) : {};
  const tokens = TOKEN_KEYS.flatMap((key) => {
    const value = given[key] ?? checkpointConfig[key] ?? null;
    return value === null ? [] : [[key, value] as const];
  });
  return { ...given, ...Object.fromEntries(tokens) };
}

/** Tells transformers.js which graphs have data files, and how many. */
function externalData(files: ConfigFiles["files"]): JsonObject {
  const large = files.filter(({ dataFiles }) => dataFiles > 0);
  if (large.length === 0) return {};
  const counts = Object.fromEntries(large.map(({ path, dataFiles }) => [basename(path), dataFiles]));
  return { "transformers.js_config": { use_external_data_format: counts } };
}

const writeJson = (path: string, value: JsonObject): void =>
  writeFileAtomic(path, `${JSON.stringify(value, null, 2)}\n`);

// A sentence-transformers folder: how a model's token states become embeddings. Formats of versions 0 to 6 are read; what is written,
// versions 2 to 6 read.

import { existsSync } from "node:fs";
import { basename, dirname, join, normalize } from "node:path";
import { BidoraError, CONFIG_FILE, MODULE_FOLDERS, makeFolder, own, SENTENCE_TRANSFORMERS } from "../base/index.js";
import {
  isJsonObject,
  type JsonObject,
  type JsonValue,
  readJsonObject,
  readJsonObjects,
  readOptionalJsonObject,
  writeFileAtomic,
} from "../base/records/index.js";

/** How the states of a text's tokens become one vector: their mean, the first token's, or the last token's. */
export type Pooling = "mean" | "cls" | "last";
export const POOLINGS = ["mean", "cls", "last"] as const satisfies readonly Pooling[];

/** How a model makes embeddings of texts. */
export interface EmbeddingFormat {
  readonly pooling: Pooling;
  /** Whether embeddings are divided by their Euclidean norm. */
  readonly normalizes: boolean;
  /** Whether the tokens of a prompt count in the pooling. */
  readonly includesPrompt: boolean;
  /** Whether texts are lowercased before they are tokenized, whatever the tokenizer does. */
  readonly lowercases: boolean;
  /** The most tokens of a text, special tokens included; undefined if the folder names no limit. */
  readonly maxLength: number | undefined;
  /** Texts that stand before the texts to embed, by name. */
  readonly prompts: Readonly<Record<string, string>>;
  /** The name of the prompt that is used unless another is asked for. */
  readonly defaultPrompt: string | undefined;
  /** The similarity of two embeddings that the folder names, if not the cosine: of normalized embeddings the dot product is the same. */
  readonly similarity?: "dot" | undefined;
}

/** As sentence-transformers uses a model of transformers that says nothing else. */
export const PLAIN_FORMAT: EmbeddingFormat = {
  pooling: "mean",
  normalizes: false,
  includesPrompt: true,
  lowercases: false,
  maxLength: undefined,
  prompts: {},
  defaultPrompt: undefined,
};

const listsModules = (folder: string): boolean => existsSync(join(folder, SENTENCE_TRANSFORMERS.modules));

/**
 * The folder of a model's config.json, weights and tokenizer: the one that `modules.json` names, in the layout of versions 0 and 1
 * (`0_Transformer`), else the folder itself.
 * @throws BidoraError `EMBEDDING_FORMAT` if it names a place that is neither
 */
export function transformerFolder(folder: string): string {
  const path = listsModules(folder) ? transformerPath(folder) : "";
  if (path !== "" && !isName(path))
    throw new BidoraError(
      "EMBEDDING_FORMAT",
      `${join(folder, SENTENCE_TRANSFORMERS.modules)} has its Transformer in ${path}: expected a folder directly in the model's, such as 0_Transformer, or that folder itself.`,
    );
  return existsSync(join(folder, path, CONFIG_FILE)) ? join(folder, path) : folder;
}

/** Where in a folder its transformer is; "" for the folder itself, also if its `modules.json` can't be read. */
function transformerPath(folder: string): string {
  try {
    const path = normalize(String(readJsonObjects(join(folder, SENTENCE_TRANSFORMERS.modules))[0]?.path ?? ""));
    return path === "." || path === "./" ? "" : path.replace(/\/$/, "");
  } catch {
    return "";
  }
}

const isName = (path: string): boolean => path === basename(path) && path !== "..";

/** The folder of the `modules.json` for a transformer's folder: that one, or in the older layout the one above; undefined if there is none. */
function modulesFolder(transformer: string): string | undefined {
  if (listsModules(transformer)) return transformer;
  const above = dirname(transformer);
  return listsModules(above) && transformerPath(above) === basename(transformer) ? above : undefined;
}

/** Whether a model is one of sentence-transformers that makes embeddings. @param folder of its transformer */
export function isSentenceTransformer(folder: string): boolean {
  const modules = modulesFolder(folder);
  if (modules === undefined) return false;
  return readOptionalJsonObject(join(modules, SENTENCE_TRANSFORMERS.prompts)).model_type !== "CrossEncoder";
}

/**
 * How a model makes embeddings; `PLAIN_FORMAT` without `modules.json`.
 * @param transformer the folder of its transformer
 * @throws BidoraError `EMBEDDING_FORMAT` naming the module, pooling or setting that is not supported, `JSON`
 */
export function readEmbeddingFormat(transformer: string): EmbeddingFormat {
  const folder = modulesFolder(transformer);
  if (folder === undefined) return PLAIN_FORMAT;
  const modules = modulesOf(folder, transformer);
  const normalizes = modules.length > 2;
  return {
    ...poolingOf(folder, modules[1]),
    normalizes,
    ...transformerOf(transformer),
    ...promptsOf(folder),
    ...similarityOf(folder, normalizes),
  };
}

/** The modules that are supported, in their order; the last one may be missing. */
const SUPPORTED = ["Transformer", "Pooling", "Normalize"] as const;

/** The paths of the modules: the transformer, a pooling, and perhaps a normalization. */
function modulesOf(folder: string, transformer: string): readonly string[] {
  const path = join(folder, SENTENCE_TRANSFORMERS.modules);
  const modules = readJsonObjects(path);
  const kinds = modules.map(({ type = "without a type" }) => kindOf(type));
  const strange = kinds.find((kind, i) => kind !== SUPPORTED[i]);
  if (strange !== undefined) throw unsupported(path, `the module ${strange} at this place`);
  if (kinds.length < 2) throw unsupported(path, "a model without the module Pooling");
  const at = transformerPath(folder);
  if (join(folder, at) !== transformer)
    throw unsupported(path, `a Transformer in the subfolder ${at} without config.json`);
  return modules.map(({ path = "" }) => String(path));
}

/** `sentence_transformers.models.Pooling` is Pooling; another program's class keeps its whole name. */
function kindOf(type: JsonValue): string {
  const name = String(type);
  return name.startsWith("sentence_transformers.") ? name.split(".").at(-1)! : name;
}

/** The spelling of poolings in both versions of the file. */
const MODES: Readonly<Record<string, Pooling>> = {
  mean: "mean",
  cls: "cls",
  lasttoken: "last",
  pooling_mode_mean_tokens: "mean",
  pooling_mode_cls_token: "cls",
  pooling_mode_lasttoken: "last",
};

function poolingOf(folder: string, module = ""): Pick<EmbeddingFormat, "pooling" | "includesPrompt"> {
  const path = join(folder, module, CONFIG_FILE);
  const json = readJsonObject(path);
  const modes = poolingModes(json);
  const [mode = "mean"] = modes;
  const pooling = own(MODES, mode);
  if (modes.length > 1) throw unsupported(path, `several poolings at once (${modes.join(", ")})`);
  if (pooling === undefined) throw unsupported(path, `the pooling ${mode}`);
  return { pooling, includesPrompt: json.include_prompt !== false };
}

function poolingModes({ pooling_mode: mode, ...flags }: JsonObject): readonly string[] {
  if (mode !== undefined) return Array.isArray(mode) ? mode.map(String) : [String(mode)];
  return Object.keys(flags).filter((key) => key.startsWith("pooling_mode_") && flags[key] === true);
}

/** The file's names for other architectures, as versions 1 and 2 wrote them. */
const TRANSFORMER_FILES = [
  SENTENCE_TRANSFORMERS.transformer,
  ...["roberta", "distilbert", "camembert", "albert", "xlm-roberta", "xlnet"].map(
    (name) => `sentence_${name}_config.json`,
  ),
];

/** Settings that change the model, or what a text's tokens are. */
const OTHER_SETTINGS = [
  ...["query_length", "document_length", "query_expansion", "processing_kwargs", "processor_kwargs"],
  ...["config", "model", "tokenizer"].flatMap((name) => [`${name}_args`, `${name}_kwargs`]),
  "tokenizer_name_or_path",
];

/** The first of these settings in a Transformer's file; undefined if there is none. */
export const otherSetting = (json: JsonObject): string | undefined => OTHER_SETTINGS.find((key) => isSet(json[key]));

/** As in sentence-transformers, `trust_remote_code` in a file has no effect. */
const isSet = (value: JsonValue | undefined): boolean =>
  isJsonObject(value) ? Object.keys(value).some((key) => key !== "trust_remote_code") : (value ?? null) !== null;

/** How texts become tokens. */
export type TextReading = Pick<EmbeddingFormat, "lowercases" | "maxLength">;

/** How texts become tokens, whatever is made of the tokens' states. @param folder of the transformer */
export const readTextReading = (folder: string): TextReading => readingIn(folder, transformerFile(folder).json);

function transformerFile(folder: string): { readonly path: string | undefined; readonly json: JsonObject } {
  const path = TRANSFORMER_FILES.map((name) => join(folder, name)).find((file) => existsSync(file));
  return { path, json: path === undefined ? {} : readOptionalJsonObject(path) };
}

const readingIn = (folder: string, json: JsonObject): TextReading => ({
  lowercases: json.do_lower_case === true,
  maxLength: lengthIn(folder, json.max_seq_length),
});

function transformerOf(folder: string): TextReading {
  const { path, json } = transformerFile(folder);
  const { transformer_task: task = "feature-extraction", modality_config: modality } = json;
  if (task !== "feature-extraction") throw unsupported(path!, `the transformer_task ${JSON.stringify(task)}`);
  const other = otherSetting(json);
  if (other !== undefined) throw unsupported(path!, `the setting ${other}`);
  if (modality !== undefined && !isOfTokenStates(modality))
    throw unsupported(path!, `the modality_config ${JSON.stringify(modality)}`);
  return readingIn(folder, json);
}

/** The most tokens of a text: as in sentence-transformers, a Transformer's `max_seq_length`, or else the tokenizer's own. */
export function lengthIn(folder: string, own: JsonValue | undefined): number | undefined {
  const { model_max_length: ofTokenizer } = readOptionalJsonObject(join(folder, "tokenizer_config.json"));
  return [own, ofTokenizer].find((one) => typeof one === "number" && one < UNLIMITED) as number | undefined;
}

/** transformers writes 10^30 for a tokenizer without a limit. */
const UNLIMITED = 1e9;

/** Whether texts are embedded from the states of their tokens. */
function isOfTokenStates(modality: JsonValue): boolean {
  const text = isJsonObject(modality) ? modality.text : undefined;
  return isJsonObject(text) && text.method === "forward" && text.method_output_name === "last_hidden_state";
}

function promptsOf(folder: string): Pick<EmbeddingFormat, "prompts" | "defaultPrompt"> {
  const path = join(folder, SENTENCE_TRANSFORMERS.prompts);
  const { prompts: given, default_prompt_name: name, model_type: type, ...more } = readOptionalJsonObject(path);
  if (isSet(more.truncate_dim)) throw unsupported(path, `the truncate_dim ${String(more.truncate_dim)}`);
  if (type !== undefined && type !== "SentenceTransformer") throw unsupported(path, `the model_type ${String(type)}`);
  const texts = Object.entries(isJsonObject(given) ? given : {}).filter(([, text]) => typeof text === "string");
  const prompts = Object.fromEntries(texts) as Record<string, string>;
  const defaultPrompt = typeof name === "string" ? name : undefined;
  if (defaultPrompt !== undefined && own(prompts, defaultPrompt) === undefined)
    throw new BidoraError(
      "EMBEDDING_FORMAT",
      `${path}: default_prompt_name is ${JSON.stringify(defaultPrompt)}, and prompts has no such prompt.`,
    );
  return { prompts, defaultPrompt };
}

function similarityOf(folder: string, normalizes: boolean): Pick<EmbeddingFormat, "similarity"> {
  const path = join(folder, SENTENCE_TRANSFORMERS.prompts);
  const similarity = readOptionalJsonObject(path).similarity_fn_name ?? "cosine";
  if (similarity === "cosine") return {};
  if (similarity === "dot" && normalizes) return { similarity };
  throw new BidoraError(
    "EMBEDDING_FORMAT",
    `${path} has the similarity_fn_name ${JSON.stringify(similarity)}, which is not supported: expected cosine, or dot with the module Normalize.`,
  );
}

function unsupported(path: string, what: string): BidoraError {
  return new BidoraError(
    "EMBEDDING_FORMAT",
    `${path} has ${what}, which is not supported: expected the modules Transformer, Pooling (mean, cls or lasttoken) and perhaps Normalize.`,
  );
}

/**
 * Writes the files beside a model by which sentence-transformers makes the same embeddings.
 * @param width of an embedding
 */
export function writeEmbeddingFormat(folder: string, format: EmbeddingFormat, width: number): void {
  const write = (path: string, json: JsonValue) =>
    writeFileAtomic(join(folder, path), `${JSON.stringify(json, undefined, 2)}\n`);
  const { pooling, normalizes, includesPrompt, lowercases, maxLength, prompts } = format;
  const paths = ["", MODULE_FOLDERS.pooling, ...(normalizes ? [MODULE_FOLDERS.normalize] : [])];
  for (const path of paths) makeFolder(join(folder, path));
  const modules = paths.map((path, idx) => ({
    ...{ idx, name: String(idx), path },
    type: `sentence_transformers.models.${SUPPORTED[idx]}`,
  }));
  const modes = Object.entries(MODES).filter(([key]) => key.startsWith("pooling_mode_"));
  write(join(MODULE_FOLDERS.pooling, CONFIG_FILE), {
    word_embedding_dimension: width,
    ...Object.fromEntries(modes.map(([key, mode]) => [key, mode === pooling])),
    include_prompt: includesPrompt,
  });
  if (normalizes) write(join(MODULE_FOLDERS.normalize, CONFIG_FILE), {});
  write(SENTENCE_TRANSFORMERS.transformer, {
    ...(maxLength !== undefined && { max_seq_length: maxLength }),
    do_lower_case: lowercases,
  });
  write(SENTENCE_TRANSFORMERS.prompts, {
    model_type: "SentenceTransformer",
    prompts,
    default_prompt_name: format.defaultPrompt ?? null,
    similarity_fn_name: format.similarity ?? "cosine",
  });
  write(SENTENCE_TRANSFORMERS.modules, modules);
}

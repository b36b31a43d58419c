// The model folder that a GGUF file is converted into, in this program's cache.

import { existsSync, readdirSync, realpathSync, rmSync, statSync, symlinkSync, utimesSync } from "node:fs";
import { basename, dirname, join, resolve } from "node:path";
import {
  CONFIG_FILE,
  type Environment,
  GENERATION_CONFIG,
  makeFolder,
  OWN_CACHE_SETTING,
  ownCacheFolder,
  packageVersion,
  showPathAs,
  statOf,
} from "../../base/index.js";
import {
  createFolderAtomic,
  isTemporary,
  type JsonObject,
  LEFTOVER_AGE_MS,
  readOptionalJsonObject,
  sha256,
  sweepTemporary,
  writeFileAtomic,
} from "../../base/records/index.js";
import { writeCrossEncoderFormat } from "../crossEncoder.js";
import { PLAIN_FORMAT, writeEmbeddingFormat } from "../sentenceTransformers.js";
import { type GgufFile, openGguf } from "./file.js";
import { configOf, endTokens } from "./modelConfig.js";
import { poolingOf } from "./pooling.js";
import { rerankerConfig } from "./rerankerConfig.js";
import { type RerankerArchitecture, rerankerArchitecture, rerankerFormat } from "./rerankers.js";
import { pairTokenizerOf } from "./tokenizer/pairTokenizer.js";
import { tokenizerConfigOf, tokenizerOf } from "./tokenizer/tokenizer.js";
import { ggufError } from "./types.js";

/** A GGUF file in place of safetensors, and the facts about its source. */
export const GGUF_FILE = "model.gguf";
const GGUF_SOURCE = "gguf.json";

/** The facts about the file that a folder was made for: its path, size and time of change; none for another folder. */
export const readGgufSource = (folder: string): JsonObject => readOptionalJsonObject(join(folder, GGUF_SOURCE));

/** Version of the conversion below; folders of an older version are not reused. */
const CONVERSION = 5;
const SHARD = /-\d{5}-of-(\d{5})\.gguf$/i;

/**
 * The model folder of a GGUF file in this program's cache: converted configuration and tokenizer, and a link to the file. A file that
 * changed gets a new folder.
 * @throws BidoraError `GGUF` for a file that is damaged or not supported
 */
export async function ggufModelFolder(path: string, environment?: Environment): Promise<string> {
  const real = realpathSync(path);
  const file = openGguf(real);
  try {
    refuseParts(file, path);
    const source = sourceOf(real, file);
    const key = sha256(JSON.stringify([CONVERSION, packageVersion(), source]));
    const name = `${basename(path).replace(/[^\w.-]/g, "_")}-${key.slice(0, 16)}`;
    const folder = join(ownCacheFolder(environment), "gguf", name);
    showPathAs(folder, resolve(path));
    if (existsSync(join(folder, CONFIG_FILE))) {
      noteUse(folder);
      return folder;
    }
    makeFolder(dirname(folder), OWN_CACHE_SETTING);
    sweepTemporary(dirname(folder), LEFTOVER_AGE_MS);
    sweepUnused(dirname(folder));
    await createFolderAtomic(folder, (temporary) => write(temporary, file, source));
    return folder;
  } finally {
    file.close();
  }
}

const DAY_MS = 86_400_000;
/** Converted folders are removed if they have not been used for so long; those whose file is gone or has changed, earlier. */
const UNUSED_MS = { whole: 30 * DAY_MS, stale: DAY_MS };

/** The time of a folder's last use is its modification time. */
function noteUse(folder: string): void {
  const now = new Date();
  try {
    utimesSync(folder, now, now);
  } catch {
    // another user's cache, which that user's commands sweep
  }
}

/** Removes converted folders that are no longer used. */
function sweepUnused(cache: string): void {
  for (const name of readdirSync(cache)) {
    const folder = join(cache, name);
    const unused = Date.now() - (statOf(folder)?.mtimeMs ?? 0);
    if (isTemporary(name) || unused < UNUSED_MS.stale) continue;
    if (unused >= UNUSED_MS.whole || isStale(folder)) removeIfAllowed(folder);
  }
}

function removeIfAllowed(folder: string): void {
  try {
    rmSync(folder, { recursive: true, force: true });
  } catch {
    // another user's folder, or another command removes it too
  }
}

/** @throws BidoraError `GGUF` for a file with something other than a model (adapter, projector, vocabulary), or with part of a model */
function refuseParts({ metadata }: GgufFile, path: string): void {
  const kind = metadata.text("general.type") ?? "model";
  if (kind !== "model") throw ggufError(path, `it does not hold a model: its general.type is ${JSON.stringify(kind)}.`);
  const count = metadata.count("split.count") ?? Number(SHARD.exec(path)?.[1] ?? 1);
  if (count <= 1) return;
  throw ggufError(
    path,
    `it is one of ${count} parts of a model, which are not supported; join them with llama.cpp's llama-gguf-split --merge.`,
  );
}

/** What identifies a file: path, size, modification time and header. */
function sourceOf(path: string, file: GgufFile): JsonObject {
  const { size, mtimeMs } = statSync(path);
  return { path, bytes: size, modified: mtimeMs, header: sha256(file.headerBytes) };
}

/** The JSON files of a converted folder, by name. */
type Contents = Readonly<Record<string, JsonObject>>;

function modelContents(file: GgufFile): Contents {
  const { metadata } = file;
  const config = configOf(file);
  return {
    [CONFIG_FILE]: config,
    [GENERATION_CONFIG]: { eos_token_id: endTokens(metadata, config.vocab_size as number) },
    "tokenizer.json": tokenizerOf(metadata),
    "tokenizer_config.json": tokenizerConfigOf(metadata, config.max_position_embeddings as number),
  };
}

function rerankerContents(file: GgufFile, architecture: RerankerArchitecture): Contents {
  const config = rerankerConfig(file, architecture);
  return {
    [CONFIG_FILE]: config,
    "tokenizer.json": pairTokenizerOf(file.metadata),
    "tokenizer_config.json": {
      ...tokenizerConfigOf(file.metadata, config.max_position_embeddings as number),
      model_input_names: ["input_ids", "attention_mask"],
    },
  };
}

function write(folder: string, file: GgufFile, source: JsonObject): void {
  const reranker = rerankerArchitecture(file);
  const contents = reranker ? rerankerContents(file, reranker) : modelContents(file);
  if (reranker) writeCrossEncoderFormat(folder, rerankerFormat(file, reranker));
  else writePooling(folder, file, contents[CONFIG_FILE]!);
  for (const [name, content] of Object.entries({ ...contents, [GGUF_SOURCE]: source })) {
    writeFileAtomic(join(folder, name), `${JSON.stringify(content, undefined, 2)}\n`);
  }
  symlinkSync(source.path as string, join(folder, GGUF_FILE));
}

/** A file says which pooling its model has, and not whether embeddings are normalized. */
function writePooling(folder: string, { metadata }: GgufFile, { hidden_size: width }: JsonObject): void {
  const pooling = poolingOf(metadata);
  if (pooling) writeEmbeddingFormat(folder, { ...PLAIN_FORMAT, pooling }, width as number);
}

/**
 * Checks that the GGUF file of a converted folder still exists unchanged.
 * @throws BidoraError `GGUF` if it is gone or has changed
 */
export function checkSource(folder: string): void {
  const { path, found, isUnchanged } = sourceNow(folder);
  const advice = "pass the GGUF file itself as the model.";
  if (!found) throw ggufError(path, `the file no longer exists: ${advice}`);
  if (!isUnchanged)
    throw ggufError(path, `the file has changed since it was converted; run the command again: ${advice}`);
}

/** Whether a converted folder's file is gone or has changed. */
function isStale(folder: string): boolean {
  try {
    return !sourceNow(folder).isUnchanged;
  } catch {
    return true; // its record can't be read
  }
}

/** The file that a folder was made for, as it is now. */
function sourceNow(folder: string) {
  const linked = join(folder, GGUF_FILE);
  const { path, bytes, modified } = readGgufSource(folder);
  const found = statOf(linked);
  const isUnchanged =
    found !== undefined && (bytes === undefined || (found.size === bytes && found.mtimeMs === modified));
  return { path: typeof path === "string" ? path : linked, found, isUnchanged };
}

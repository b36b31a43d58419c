import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { refuseSpecialFile } from "../common/fileSystem.js";

/** Every file that a tokenizer may consist of, by the names that Hugging Face gives them. */
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

/** What a tokenizer is made from, the first of them that is there. */
export const TOKENIZER_SPECS = [
  "tokenizer.json",
  "vocab.txt",
  "vocab.json",
] as const satisfies readonly TokenizerFile[];

/**
 * The names of the tokenizer's files that lie in `folder`.
 * @throws BidoraError if the folder can't be read.
 */
export async function listTokenizerFiles(folder: string): Promise<TokenizerFile[]> {
  let names: string[];
  try {
    names = await readdir(folder);
  } catch (cause) {
    throw new BidoraError(
      "TOKENIZER",
      `There is no folder ${folder} to read a tokenizer from: name a model folder that exists.`,
      { cause },
    );
  }
  return TOKENIZER_FILES.filter((name) => names.includes(name));
}

export type JsonObject = Readonly<Record<string, unknown>>;

/**
 * A JSON file of the model folder.
 * @throws BidoraError if it isn't one JSON object.
 */
export async function readJsonObject(folder: string, name: string): Promise<JsonObject> {
  const file = join(folder, name);
  let value: unknown;
  refuseSpecialFile(file);
  try {
    value = JSON.parse(await readFile(file, "utf8"));
  } catch (cause) {
    throw new BidoraError("TOKENIZER", `${file} is not readable as JSON (${(cause as Error).message}).`, { cause });
  }
  if (!isJsonObject(value)) throw new BidoraError("TOKENIZER", `${file} must hold one JSON object.`);
  return value;
}

/** The same, but an empty object where there is no such file. */
export async function readOptionalJsonObject(folder: string, name: string): Promise<JsonObject> {
  const names = await readdir(folder);
  return names.includes(name) ? readJsonObject(folder, name) : {};
}

/** A text file of the model folder, if there is one. */
export async function readOptionalText(folder: string, name: string): Promise<string | undefined> {
  if (!(await readdir(folder)).includes(name)) return undefined;
  refuseSpecialFile(join(folder, name));
  return readFile(join(folder, name), "utf8");
}

export function isJsonObject(value: unknown): value is JsonObject {
  return typeof value === "object" && value !== null && !Array.isArray(value);
}

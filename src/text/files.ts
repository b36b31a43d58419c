import { readdir, readFile } from "node:fs/promises";
import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import { refuseSpecialFile } from "../common/fileSystem.js";
import { TOKENIZER_FILES, type TokenizerFile } from "../files/names.js";

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

/** A text file of the model folder, if there is one. */
export async function readOptionalText(folder: string, name: string): Promise<string | undefined> {
  if (!(await readdir(folder)).includes(name)) return undefined;
  refuseSpecialFile(join(folder, name));
  return readFile(join(folder, name), "utf8");
}

import { join } from "node:path";
import { aText, checkArguments } from "../common/arguments.js";
import { BidoraError } from "../common/errors.js";
import { readJsonObject } from "../files/json.js";
import { TOKENIZER_SPECS, type TokenizerFile } from "../files/names.js";
import { isEsm, proteinLetters } from "./esm.js";
import { listTokenizerFiles } from "./files.js";
import { readTokenizerSettings, type TokenizerSettings } from "./tokenizerSettings.js";
import { byteLevel, wordPiece } from "./vocabularyFiles.js";
import { nativeText, Tokenizer } from "./tokenizer.js";
import { tryTokenizer } from "./trial.js";
import { withSettings } from "./withSettings.js";

/**
 * The tokenizer of a model folder: `tokenizer.json`, or else `vocab.txt` (BERT's WordPiece, ESM's letters) or `vocab.json` with `merges.txt`
 * (RoBERTa's or GPT-2's byte-level BPE).
 * @throws BidoraError if the folder holds none of these, or a file that is broken.
 */
export async function loadTokenizer(folder: string): Promise<Tokenizer> {
  checkArguments("loadTokenizer", ["folder", folder, aText]);
  const files = await listTokenizerFiles(folder);
  const settings = await readTokenizerSettings(folder);
  refuseSplitSpecials(folder, settings);
  const spec = await readSpec(folder, files, settings);
  const text = nativeText(spec);
  await tryTokenizer(text, join(folder, TOKENIZER_SPECS.find((name) => files.includes(name))!));
  try {
    return new Tokenizer(spec, text, settings, files);
  } catch (cause) {
    if (cause instanceof BidoraError) throw cause;
    throw new BidoraError("TOKENIZER", `The tokenizer in ${folder} is broken: ${(cause as Error).message}`, { cause });
  }
}

function refuseSplitSpecials(folder: string, { config }: TokenizerSettings): void {
  if ((config.split_special_tokens ?? false) === false) return;
  throw new BidoraError(
    "TOKENIZER",
    `${folder}: tokenizer_config.json has split_special_tokens, under which special tokens in a text are split as other words are; ` +
      "that is not supported: take it out.",
  );
}

async function readSpec(folder: string, files: readonly TokenizerFile[], settings: TokenizerSettings) {
  if (files.includes("tokenizer.json")) {
    return withSettings(readJsonObject(join(folder, "tokenizer.json"), "TOKENIZER"), settings);
  }
  if (files.includes("vocab.txt")) {
    if (isEsm(settings)) return proteinLetters(folder, settings);
    requireWordPiece(folder, settings);
    return wordPiece(folder, settings);
  }
  if (files.includes("vocab.json") && files.includes("merges.txt")) return byteLevel(folder, settings);
  throw new BidoraError(
    "TOKENIZER",
    `${folder} holds no tokenizer: expected tokenizer.json, or vocab.txt, or vocab.json with merges.txt. ` +
      "If transformers can open the folder, its save_pretrained writes a tokenizer.json.",
  );
}

/** The classes whose vocab.txt is all that they are made of. */
const WORD_PIECE = ["bert", "convbert", "distilbert", "electra", "funnel", "layoutlm", "mobilebert", "squeezebert"];

/** Other classes split texts in a way of their own first, or have pieces of another kind. */
function requireWordPiece(folder: string, { config }: TokenizerSettings): void {
  const name = config.tokenizer_class;
  if (typeof name !== "string" || WORD_PIECE.includes(name.replace(/Tokenizer(Fast)?$/, "").toLowerCase())) return;
  throw new BidoraError(
    "TOKENIZER",
    `${folder} has a vocab.txt for ${name}, which is more than BERT's WordPiece; a tokenizer.json is needed, which ` +
      "transformers' save_pretrained writes where the class allows it.",
  );
}

import { join } from "node:path";
import { BidoraError } from "../common/errors.js";
import type { JsonObject } from "../files/json.js";
import { ESM } from "./defaultTokens.js";
import type { TokenizerSettings } from "./tokenizerSettings.js";
import { addedTokens, readTextFile, roles } from "./vocabularyFiles.js";

/** Whether a folder's vocab.txt is ESM's: by the name of the class or model. */
export const isEsm = ({ kind }: TokenizerSettings): boolean => /^esm(tokenizer)?$/i.test(kind ?? "");

/**
 * A tokenizer.json for ESM's letters of proteins, from `vocab.txt`. Each token of it is found wherever it stands, the longest first;
 * what is left between them is unknown, one token for each stretch without white space.
 */
export async function proteinLetters(folder: string, settings: TokenizerSettings): Promise<JsonObject> {
  if (settings.config.eos_token === null)
    throw new BidoraError("TOKENIZER", `${folder}/tokenizer_config.json: eos_token null is not supported for ESM.`);
  const text = await readTextFile(join(folder, "vocab.txt"));
  const lines = text.replace(LINE_END_AT_END, "").split(LINE_END);
  const vocab = new Map(lines.map((line, id) => [line.trim(), id]));
  const special = roles(ESM, settings);
  const { idOf, added } = await addedTokens(folder, vocab, special, settings);
  const [cls, eos] = [special.get("cls_token")!, special.get("eos_token")!];
  const unknown = special.get("unk_token");
  return {
    version: "1.0",
    added_tokens: added,
    pre_tokenizer: {
      type: "Sequence",
      pretokenizers: [
        { type: "Split", pattern: { Regex: WHITE_SPACE }, behavior: "Removed", invert: false },
        { type: "Split", pattern: { Regex: anyOf([...vocab.keys()]) }, behavior: "Isolated", invert: false },
      ],
    },
    post_processor: { type: "BertProcessing", cls: [cls, idOf(cls)], sep: [eos, idOf(eos)] },
    model: {
      type: "WordLevel",
      ...(unknown !== undefined && { unk_token: unknown }),
      vocab: Object.fromEntries(vocab),
    },
  };
}

// As Python's str.splitlines and str.split have them.
const LINE_END = /\r\n|[\n\r\v\f\x85\u2028\u2029]/;
const LINE_END_AT_END = new RegExp(`(?:${LINE_END.source})$`);
const WHITE_SPACE = "[\\s\\x{1C}-\\x{1F}]+";

/** An expression that matches the longest of some tokens. */
function anyOf(tokens: readonly string[]): string {
  const longestFirst = tokens.filter((token) => token !== "").sort((a, b) => b.length - a.length);
  return longestFirst.map((token) => token.replace(/[^\p{L}\p{N}]/gu, "\\$&")).join("|");
}

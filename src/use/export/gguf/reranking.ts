/** What a GGUF file says of a reranker, and what llama.cpp must not compute differently. */

import type { GgufPair, TokenizerParts } from "../../../formats/gguf/index.js";
import { rankPair, rerankerPairs } from "../../../formats/gguf/index.js";
import type { CrossEncoderFormat } from "../../../formats/index.js";
import type { BertConfig, ModernBertConfig } from "../../../models/families/index.js";
import type { TaskModel } from "../../../models/index.js";
import type { Tokenizer } from "../../../text/index.js";
import * as torch from "../../../torch/index.js";
import { exportError, type Form, type Writable } from "./form.js";
import { tokenNotes } from "./tokenNotes.js";

/** The metadata that only rerankers have. @param labels the name of the output */
export const rankingPairs = (
  { name }: Pick<Form, "name">,
  { config }: Pick<Writable, "config">,
  { activation }: CrossEncoderFormat,
  labels: readonly string[],
): GgufPair[] => [
  rankPair(name),
  ...rerankerPairs(name, { labels, activation, hiddenActivation: (config as BertConfig).activation }),
];

/** @throws BidoraError `EXPORT` for a head that llama.cpp does not compute */
export function refuseOtherRankings({ json, config, ranks }: Pick<Writable, "json" | "config" | "ranks">): void {
  if (!ranks)
    throw exportError(
      `it is a reranker of the family ${json.model_type}, whose head llama.cpp does not have: use --to onnx.`,
    );
  if (json.model_type !== "modernbert") return;
  const { pooling, classifierBias, classifierActivation } = config as ModernBertConfig;
  if (pooling === "mean" && !classifierBias && classifierActivation === "gelu") return;
  throw exportError(
    "llama.cpp's modern-bert ranks by the mean of all tokens and a head with GELU and without bias, and classifier_pooling, " +
      "classifier_activation or classifier_bias say otherwise: use --to onnx.",
  );
}

/**
 * A tokenizer that also puts the tokens around a pair, which is what llama.cpp's server does: the start token, the query, the end token, a
 * separator, the document, the end token.
 * @throws BidoraError `EXPORT` for another form of a pair
 */
export async function pairParts(parts: TokenizerParts, tokenizer: Tokenizer): Promise<TokenizerParts> {
  const { addsBos, addsEos, roles } = parts;
  const [before, between, after] = (await tokenizer.layoutOf(2)).pieces.map(({ ids }) => ids) as [Ids, Ids, Ids];
  const [start, end] = [addsBos ? [roles.bos!] : [], addsEos ? [roles.eos!] : []];
  const [separator = roles.separator, ...others] = between.slice(end.length);
  const isKnown =
    isSame(before, start) && isSame(after, end) && isSame(between.slice(0, end.length), end) && others.length === 0;
  if (!isKnown)
    throw exportError(
      `its tokenizer puts the tokens ${shown(before)}, ${shown(between)} and ${shown(after)} before, between and after the texts of a pair, but ` +
        "llama.cpp puts those of single texts around the query, with one separator at most behind it, and the end token behind the document.",
    );
  const roled = separator === undefined ? roles : { ...roles, separator };
  return { ...parts, roles: roled, addsSeparator: between.length > end.length };
}

type Ids = readonly number[];
const isSame = (a: Ids, b: Ids): boolean => a.join() === b.join();
const shown = (ids: Ids): string => (ids.length === 0 ? "none" : ids.join(" "));

/** The parameter of a token type's rows. */
const TYPES = "token_type_embeddings.weight";

/**
 * llama.cpp gives every token the first type.
 * @throws BidoraError `EXPORT` if the tokenizer gives tokens of a pair another type, and its row differs from the first
 */
export async function refuseTokenTypes(
  model: TaskModel,
  changed: ReadonlyMap<string, () => torch.Tensor>,
  tokenizer: Tokenizer,
): Promise<void> {
  const [path, parameter] = [...model.baseParameters()].find(([name]) => name.endsWith(TYPES)) ?? [];
  if (!path || !parameter || !tokenizer.givesTypes) return;
  const { pieces, textTypes } = await tokenizer.layoutOf(2);
  const rows = parameter.shape[0] as number;
  const given = [...textTypes, ...pieces.flatMap(({ typeIds }) => typeIds)].filter((type) => type < rows);
  const isAlike = torch.noGrad(() =>
    torch.scope(() => {
      const table = changed.get(path)?.() ?? parameter.values.dense();
      return given.every((type) => torch.equal(torch.select(table, 0, type), torch.select(table, 0, 0)));
    }),
  );
  if (isAlike) return;
  throw exportError(
    "it is a reranker that tells the two texts of a pair apart by their token types, and llama.cpp gives both texts the first type, with which " +
      "the scores differ: use --to onnx.",
  );
}

/** Notes on what llama.cpp does differently, and what makes a score of its output. */
export function notesOnReranking(
  { activation }: CrossEncoderFormat,
  { context }: Form,
  parts: TokenizerParts,
): string[] {
  const score = activation === "identity" ? "which is the score" : `of which the score is the ${activation}`;
  return [
    `llama-server --reranking gives the model's raw output, ${score}. Ollama runs no rerankers.`,
    `A pair has at most ${context} tokens: bidora cuts the longer text, llama-server refuses longer pairs.`,
    "llama-server takes special tokens that stand in a text as plain text, and bidora as the tokens.",
    ...tokenNotes(parts),
  ];
}

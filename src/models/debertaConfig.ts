import type { JsonObject } from "../files/json.js";
import { type BertConfig, parseBertConfig } from "./bertConfig.js";
import { ConfigReader, configError } from "./configReader.js";

/** Whose content meets whose position in attention: a query's a key's, or a key's a query's. */
const POSITION_TERMS = ["c2p", "p2c"] as const;
export type PositionTerm = (typeof POSITION_TERMS)[number];

/** How distances between tokens are told apart. */
export interface RelativeConfig {
  /** Distances from −span to span − 1 have a vector each. */
  readonly span: number;
  /** Far distances share buckets, by their logarithm; undefined: each has its own. */
  readonly buckets: { readonly count: number; readonly maxDistance: number } | undefined;
  readonly isNormalised: boolean;
  /** Positions are projected as contents are, by the same layers. */
  readonly sharesProjections: boolean;
}

export interface ConvolutionConfig {
  /** Tokens that are seen at once: odd. */
  readonly kernelSize: number;
  readonly activation: string;
}

export interface DebertaConfig extends BertConfig {
  readonly embeddingSize: number;
  /** Positions are added to the embeddings. */
  readonly hasPositions: boolean;
  /** Undefined where attention knows no distances. */
  readonly relative: RelativeConfig | undefined;
  /** They widen what products are divided by, even where attention knows no distances. */
  readonly positionTerms: readonly PositionTerm[];
  readonly convolution: ConvolutionConfig | undefined;
  readonly poolerDropout: number;
  readonly poolerActivation: string;
  /** Before the classifier of whole rows. */
  readonly clsDropout: number;
}

const XLARGE = {
  vocabSize: 128100,
  padTokenId: 0,
  hiddenSize: 1536,
  heads: 24,
  intermediateSize: 6144,
  layers: 24,
  layerNormEpsilon: 1e-7,
  typeVocabSize: 0,
};

/** @throws BidoraError `CONFIG` for a value of the wrong kind or one that is not supported */
export function parseDebertaConfig(json: JsonObject): DebertaConfig {
  const read = new ConfigReader(json);
  const base = parseBertConfig(json, XLARGE);
  const { hiddenSize, heads, hiddenDropout, positions } = base;
  read.only("attention_head_size", hiddenSize / heads);
  read.only("pooler_hidden_size", hiddenSize);
  const hasPositions = read.flag("position_biased_input", true);
  return {
    ...base,
    classifierDropout: hiddenDropout,
    maxTokens: hasPositions ? positions : Number.POSITIVE_INFINITY,
    embeddingSize: read.count("embedding_size", hiddenSize),
    hasPositions,
    relative: read.flag("relative_attention", false) ? parseRelative(read, positions) : undefined,
    positionTerms: parseTerms(json),
    convolution: parseConvolution(read),
    poolerDropout: read.probability("pooler_dropout", 0),
    poolerActivation: read.text("pooler_hidden_act", "gelu"),
    clsDropout: read.probability("cls_dropout", hiddenDropout),
  };
}

function parseRelative(read: ConfigReader, positions: number): RelativeConfig {
  const maxDistance = read.countOrNone("max_relative_positions") ?? positions;
  const count = read.countOrNone("position_buckets");
  if (count !== undefined && (count < 2 || maxDistance - 1 <= Math.floor(count / 2))) {
    throw configError(
      `position_buckets (${count}) must be at least 2, and half of it less than max_relative_positions (${maxDistance}) less 1, but is not.`,
    );
  }
  return {
    span: count ?? maxDistance,
    buckets: count === undefined ? undefined : { count, maxDistance },
    isNormalised: normsOf(read).includes("layer_norm"),
    sharesProjections: read.flag("share_att_key", false),
  };
}

function normsOf(read: ConfigReader): string[] {
  const norms = words(read.text("norm_rel_ebd", "none"));
  const unknown = norms.find((norm) => norm !== "none" && norm !== "layer_norm");
  if (unknown === undefined) return norms;
  throw configError(`norm_rel_ebd ${JSON.stringify(unknown)} is not supported; supported are none, layer_norm.`);
}

/** A list, or words with | between them. */
function parseTerms({ pos_att_type: given }: JsonObject): PositionTerm[] {
  const terms = typeof given === "string" ? words(given) : (given ?? []);
  const isKnown = (term: unknown) => term === "" || POSITION_TERMS.some((known) => known === term);
  if (Array.isArray(terms) && terms.every(isKnown)) return POSITION_TERMS.filter((term) => terms.includes(term));
  throw configError(`pos_att_type ${JSON.stringify(given)} is not supported; supported are c2p, p2c, both or neither.`);
}

function words(text: string): string[] {
  return text
    .toLowerCase()
    .split("|")
    .map((word) => word.trim());
}

function parseConvolution(read: ConfigReader): ConvolutionConfig | undefined {
  const kernelSize = read.countOrNone("conv_kernel_size");
  if (kernelSize === undefined) return undefined;
  if (kernelSize % 2 === 0) throw configError(`conv_kernel_size must be odd, but is ${kernelSize}.`);
  read.only("conv_groups", 1);
  return { kernelSize, activation: read.text("conv_act", "tanh") };
}

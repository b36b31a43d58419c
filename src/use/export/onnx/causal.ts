/**
 * The graph around a decoder: a language model has its cache as inputs and outputs, other heads have none.
 * Shapes: b rows, s new tokens, p cached tokens, t = p + s, G key and value heads, each with R query heads, D head size, H hidden size.
 */
import { type ModelConfig, untied } from "../../../models/index.js";
import { OutputLinear } from "../../../models/nn/index.js";
import { attend, unseenBias } from "./attention.js";
import { encoderGraph, type GraphFamily } from "./encoder.js";
import type { Value } from "./graph/graph.js";
import type { ModelGraph } from "./graph/modelGraph.js";

const ROWS = "batch_size";
const NEW = "sequence_length";
const PAST = "past_sequence_length";
const ALL = `${PAST} + ${NEW}`;

interface CacheSizes {
  readonly layers: number;
  readonly kvHeads: number;
  readonly headSize: number;
}

/** A layer's cached keys and values, each [b, G, p, D]. */
interface LayerCache {
  readonly key: Value;
  readonly value: Value;
}

/** The tokens of a call, and what the cache has of earlier ones. */
export interface CausalTokens {
  /** int64 [b, s] */
  readonly ids: Value;
  /** The number of each token in its row, from 0, as if the row had no padding; padding has that of the token before it. int64 [b, t] */
  readonly numbers: Value;
  /** The same for new tokens. int64 [b, s] */
  readonly newNumbers: Value;
  /** bool [b, t]: tokens that are not padding. */
  readonly isToken: Value;
  /** The caches of the layers; undefined in a graph without a cache. */
  readonly past: readonly LayerCache[] | undefined;
}

interface CausalGraph<Config extends ModelConfig> {
  /** Whether Optimum gives a language model `position_ids`. Without them positions follow from the mask. */
  readonly takesPositions: boolean;
  cache(config: Config): CacheSizes;
  /** The hidden states of new tokens, [b, s, H]. positions: int64 [b, s] */
  hidden(g: ModelGraph, config: Config, tokens: CausalTokens, positions: Value): Value;
}

/** Declares a decoder; the type of its configuration stays private to its file. */
export function causalGraph<Config extends ModelConfig>(family: CausalGraph<Config>): GraphFamily {
  const withoutCache = encoderGraph<Config>({
    hidden(g, { ids, mask }, config) {
      const tokens = countedTokens(g, ids, mask, undefined);
      return family.hidden(g, config, tokens, tokens.newNumbers);
    },
  });
  return { build: (g, head) => (head === "ForCausalLM" ? languageModel(g, family) : withoutCache.build(g, head)) };
}

function languageModel<Config extends ModelConfig>(g: ModelGraph, family: CausalGraph<Config>): void {
  const config = g.model.config as Config;
  const tokens = tokenInputs(g, family.cache(config));
  const positions = family.takesPositions ? g.input("position_ids", "int64", [ROWS, NEW]) : tokens.newNumbers;
  const states = family.hidden(g, config, tokens, positions);
  g.output("logits", vocabularyLogits(g, states), "float32", [ROWS, NEW, config.vocabSize]);
}

/** Declares `input_ids`, `attention_mask` and the cache. */
function tokenInputs(g: ModelGraph, { layers, kvHeads, headSize }: CacheSizes): CausalTokens {
  const ids = g.input("input_ids", "int64", [ROWS, NEW]);
  const mask = g.input("attention_mask", "int64", [ROWS, ALL]);
  const cached = (name: string) => g.input(name, "float32", [ROWS, kvHeads, PAST, headSize]);
  const past = Array.from({ length: layers }, (_, layer) => ({
    key: cached(`past_key_values.${layer}.key`),
    value: cached(`past_key_values.${layer}.value`),
  }));
  return countedTokens(g, ids, mask, past);
}

function countedTokens(g: ModelGraph, ids: Value, mask: Value, past: CausalTokens["past"]): CausalTokens {
  const numbers = g.sub(g.cumSum(mask, 1), g.constant(1, "int64"));
  const newNumbers = past ? onlyNew(g, numbers, past) : numbers;
  return { ids, numbers, newNumbers, isToken: g.cast(mask, "bool"), past };
}

/** [b, t] → [b, s] */
function onlyNew(g: ModelGraph, x: Value, past: readonly LayerCache[]): Value {
  return g.node("Slice", [x, cachedCount(g, past), g.shape(x, 1, 2), g.constant([1], "int64")]);
}

/** p: int64 [1] */
export const cachedCount = (g: ModelGraph, past: readonly LayerCache[]): Value => g.shape(past[0]!.key, 2, 3);

/** The output matrix, which may be the table of embeddings. states: [b, s, H] → [b, s, vocabulary] */
function vocabularyLogits(g: ModelGraph, states: Value): Value {
  const { model, changed } = g;
  const { outputLayer, design } = model;
  if (!(outputLayer instanceof OutputLinear && outputLayer.tied)) return g.linear(design.output, states);
  const [own] = untied({ model, changed });
  const table = own ? g.valuesOf(...own) : g.parameter(design.tiedTo as string);
  return g.matMul(states, g.transpose(table, [1, 0]));
}

/**
 * What is added to scores: 0 for the tokens that a query attends to, which are its row's tokens up to itself.
 * @param groups R
 * @param window how many tokens a query attends to, including itself
 * @returns [b, 1, R·s, t]
 */
export function causalBias(g: ModelGraph, tokens: CausalTokens, groups: number, window?: number): Value {
  const keys = g.unsqueeze(tokens.numbers, [1]);
  const queries = g.unsqueeze(tokens.newNumbers, [2]);
  const causal = g.and(g.lessOrEqual(keys, queries), g.unsqueeze(tokens.isToken, [1]));
  const first = () => g.sub(queries, g.constant((window as number) - 1, "int64"));
  const seen = window === undefined ? causal : g.and(causal, g.greaterOrEqual(keys, first()));
  const bias = g.unsqueeze(unseenBias(g, seen), [1]);
  return groups === 1 ? bias : g.concat(new Array<Value>(groups).fill(bias), 2);
}

interface CachedAttention {
  readonly layer: number;
  /** [b, G·R, s, D] */
  readonly q: Value;
  /** [b, G, s, D] */
  readonly k: Value;
  readonly v: Value;
  readonly scale: number;
  /** [b, 1, R·s, t] */
  readonly bias: Value;
}

/** Attention over cached and new tokens. @returns [b, s, G·R·D] */
export function attendCached(
  g: ModelGraph,
  tokens: CausalTokens,
  { heads, kvHeads, headSize }: Omit<CacheSizes, "layers"> & { readonly heads: number },
  { q, scale, bias, ...call }: CachedAttention,
): Value {
  const { key: k, value: v } = withPast(g, tokens, call, [ROWS, kvHeads, ALL, headSize]);
  const grouped = g.reshape(q, [0, kvHeads, -1, headSize]);
  const mixed = attend(g, { q: grouped, k, v, scale, bias: [bias] });
  const perHead = g.reshape(mixed, [0, kvHeads, heads / kvHeads, -1, headSize]);
  return g.reshape(g.transpose(perHead, [0, 3, 1, 2, 4]), [0, 0, heads * headSize]);
}

/** Cached and new keys and values, which become outputs. */
function withPast(
  g: ModelGraph,
  { past }: CausalTokens,
  { layer, k, v }: Pick<CachedAttention, "layer" | "k" | "v">,
  shape: readonly (number | string)[],
): LayerCache {
  const cached = past?.[layer];
  if (!cached) return { key: k, value: v };
  const all = { key: g.concat([cached.key, k], 2), value: g.concat([cached.value, v], 2) };
  for (const [name, value] of Object.entries(all)) g.output(`present.${layer}.${name}`, value, "float32", shape);
  return all;
}

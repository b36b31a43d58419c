// The graph around an encoder: inputs, pooling, heads, outputs. Shapes: b rows, s tokens of the longest row, H hidden size.
import { own } from "../../../base/index.js";
import type { Pooling } from "../../../formats/index.js";
import type { ModelConfig, Reads } from "../../../models/index.js";
import { SMALLEST_NORM } from "../../../models/nn/index.js";
import type { Value } from "./graph/graph.js";
import type { ModelGraph } from "./graph/modelGraph.js";

/** Builds the graph of a model, from its inputs to its outputs. */
export interface GraphFamily {
  /**
   * @param head the head's class in transformers, such as `ForTokenClassification`; undefined for hidden states
   * @throws BidoraError `EXPORT` for a model that can't be written
   */
  build(graph: ModelGraph, head: string | undefined): void;
}

/** The inputs of an encoder, int64 [b, s]. */
export interface EncoderInputs {
  readonly ids: Value;
  /** 1 for tokens, 0 for padding, which may be on either side of a row. */
  readonly mask: Value;
  /** Which text of a pair a token belongs to, in models that Optimum gives this input. */
  readonly types: Value | undefined;
}

export interface EncoderGraph<Config extends ModelConfig> {
  /** Whether token types are an input; by default they are not. */
  takesTypes?(config: Config): boolean;
  /** The hidden states of all tokens, [b, s, H]. */
  hidden(graph: ModelGraph, inputs: EncoderInputs, config: Config): Value;
  /** Heads that are more than an output layer, by their class. states: [b, H] or [b, s, H] of the tokens that the head reads */
  readonly heads?: Readonly<Record<string, (graph: ModelGraph, states: Value, config: Config) => Value>>;
}

/** Names of the dimensions, as Optimum has them. */
const TOKENS = ["batch_size", "sequence_length"] as const;

/** Declares an encoder; the type of its configuration stays private to its file. */
export const encoderGraph = <Config extends ModelConfig>(family: EncoderGraph<Config>): GraphFamily => ({
  build(g, head) {
    const config = g.model.config as Config;
    const input = (name: string) => g.input(name, "int64", TOKENS);
    const [ids, mask] = [input("input_ids"), input("attention_mask")];
    const types = family.takesTypes?.(config) ? input("token_type_ids") : undefined;
    const hidden = family.hidden(g, { ids, mask, types }, config);
    if (head === undefined) return writeStates(g, hidden, mask);
    const states = READERS[g.model.reads](g, hidden, { ids, mask });
    const special = own(family.heads ?? {}, head);
    writeHead(g, head, special ? special(g, states, config) : g.linear(g.model.design.output, states));
  },
});

/** The states that a head reads. hidden: [b, s, H] → [b, H], or all */
type Reader = (g: ModelGraph, hidden: Value, tokens: Pick<EncoderInputs, "ids" | "mask">) => Value;

const READERS: Readonly<Record<Reads, Reader>> = {
  every: (_, hidden) => hidden,
  first: (g, hidden, { mask }) => POOLINGS.cls(g, hidden, mask),
  last: (g, hidden, { ids, mask }) => g.gatherInRows(hidden, lastTokens(g, ids, mask)),
  mean: (g, hidden, { mask }) => meanOfTokens(g, hidden, mask),
};

/**
 * The last token of each row whose id is not the padding token's, which a row's own text may end with; the first token if all are.
 * ids, mask: int64 [b, s] → int64 [b]
 */
function lastTokens(g: ModelGraph, ids: Value, mask: Value): Value {
  const { padTokenId } = g.model.config;
  const numbers = g.mul(g.cumSum(mask, 1), mask); // 1, 2, … at tokens
  if (padTokenId === undefined) return g.argMax(g.cast(numbers, "int32"), 1);
  const isPadding = g.equal(ids, g.constant(padTokenId, "int64"));
  const first = g.cast(g.equal(numbers, g.constant(1, "int64")), "int64");
  const ranks = g.where(isPadding, first, g.mul(numbers, g.constant(2, "int64"))); // 2, 4, …; of padding tokens 0, or 1 for the first
  return g.argMax(g.cast(ranks, "int32"), 1);
}

/** The mean over the tokens of each row. hidden: [b, s, H], mask: int64 [b, s] → [b, H] */
function meanOfTokens(g: ModelGraph, hidden: Value, mask: Value): Value {
  const kept = g.unsqueeze(g.cast(mask, "float32"), [2]);
  const sum = g.reduceSum(g.where(g.cast(kept, "bool"), hidden, 0), [1], false);
  return g.div(sum, g.max(g.reduceSum(kept, [1], false), 1));
}

/** The states of all tokens, and for a model of sentence-transformers the embedding that it makes of them. */
function writeStates(g: ModelGraph, hidden: Value, mask: Value): void {
  const { hiddenSize } = g.model.config;
  g.output("last_hidden_state", hidden, "float32", [...TOKENS, hiddenSize]);
  if (!g.embedding) return;
  const pooled = POOLINGS[g.embedding.pooling](g, hidden, mask);
  const whole = g.embedding.normalizes ? normalized(g, pooled) : pooled;
  g.output("sentence_embedding", whole, "float32", [TOKENS[0], hiddenSize]);
}

const POOLINGS: Readonly<Record<Pooling, (g: ModelGraph, hidden: Value, mask: Value) => Value>> = {
  mean: meanOfTokens,
  cls: (g, hidden, mask) => g.gatherInRows(hidden, g.argMax(g.cast(mask, "int32"), 1)),
  last: (g, hidden, mask) => g.gatherInRows(hidden, g.argMax(g.cast(g.mul(g.cumSum(mask, 1), mask), "int32"), 1)),
};

/** Divided by the Euclidean norm. x: [b, H] → the same */
function normalized(g: ModelGraph, x: Value): Value {
  const norm = g.sqrt(g.reduceSum(g.mul(x, x), [1]));
  return g.div(x, g.max(norm, SMALLEST_NORM));
}

function writeHead(g: ModelGraph, head: string, outputs: Value): void {
  const { outputs: width, reads } = g.model;
  if (head !== "ForQuestionAnswering") {
    g.output("logits", outputs, "float32", reads === "every" ? [...TOKENS, width] : [TOKENS[0], width]);
    return;
  }
  for (const [i, part] of g.split(outputs, -1, [1, 1]).entries())
    g.output(i === 0 ? "start_logits" : "end_logits", g.squeeze(part, [2]), "float32", TOKENS);
}

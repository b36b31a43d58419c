/** How the graph of an architecture is built. */
import type { ModelConfig } from "../../../models/index.js";
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

/** The graph of an encoder. */
export interface EncoderGraph<Config extends ModelConfig> {
  /** Whether token types are an input; by default they are not. */
  takesTypes?(config: Config): boolean;
  /** The hidden states of all tokens, [b, s, H]. */
  hidden(graph: ModelGraph, inputs: EncoderInputs, config: Config): Value;
  /** Heads that are more than an output layer, by their class. states: [b, H] or [b, s, H] of the tokens that the head reads */
  readonly heads?: Readonly<Record<string, (graph: ModelGraph, states: Value, config: Config) => Value>>;
}

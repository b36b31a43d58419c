// The graph around an encoder: inputs, pooling, heads, outputs. Shapes: b rows, s tokens of the longest row, H hidden size.
import { own } from "../../common/collections.js";
import type { ModelConfig, Reads } from "../../models/index.js";
import type { EncoderGraph, GraphFamily } from "./family.js";
import type { Value } from "./graph.js";
import type { ModelGraph } from "./modelGraph.js";

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
    if (head === undefined) g.output("last_hidden_state", hidden, "float32", [...TOKENS, config.hiddenSize]);
    else writeHead(g, head, outputsOf(g, head, family, config, read(g, hidden, mask)));
  },
});

function outputsOf<Config extends ModelConfig>(
  g: ModelGraph,
  head: string,
  { heads = {} }: EncoderGraph<Config>,
  config: Config,
  states: Value,
): Value {
  const special = own(heads, head);
  return special ? special(g, states, config) : g.linear(g.model.design.output, states);
}

/** The states that the head reads. hidden: [b, s, H] → [b, H], or all */
function read(g: ModelGraph, hidden: Value, mask: Value): Value {
  return READERS[g.model.reads](g, hidden, mask);
}

const READERS: Readonly<Record<Reads, (g: ModelGraph, hidden: Value, mask: Value) => Value>> = {
  every: (_, hidden) => hidden,
  first: (g, hidden, mask) => g.gatherInRows(hidden, g.argMax(g.cast(mask, "int32"), 1)),
  last(g, hidden, mask) {
    const places = g.mul(g.cumSum(mask, 1), mask); // 1, 2, … at tokens
    return g.gatherInRows(hidden, g.argMax(g.cast(places, "int32"), 1));
  },
  mean: meanOfTokens,
};

/** The mean over the tokens of each row. hidden: [b, s, H], mask: int64 [b, s] → [b, H] */
export function meanOfTokens(g: ModelGraph, hidden: Value, mask: Value): Value {
  const kept = g.unsqueeze(g.cast(mask, "float32"), [2]);
  const sum = g.reduceSum(g.where(g.cast(kept, "bool"), hidden, 0), [1], false);
  return g.div(sum, g.max(g.reduceSum(kept, [1], false), 1));
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

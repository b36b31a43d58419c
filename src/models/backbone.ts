// From tokens to hidden states: a batch of tokens, a stack of layers, and the model without a head around them.
// Shapes: N tokens of all rows, K selected tokens, H hidden size.
import { checkArguments, having, listOf } from "../common/arguments.js";
import {
  type ForwardContext,
  type KeyValueCache,
  Module,
  ModuleList,
  type Norm,
  type RowLayout,
  rowLayout,
} from "../nn/index.js";
import { checkpoint } from "../operators/checkpoint.js";
import * as torch from "../torch/index.js";

// Input

/** What a model computes on: the tokens of a batch laid end to end. */
export interface ModelInput {
  /** [N] int32 */
  readonly inputIds: torch.Tensor;
  /** [N] int32: which of two texts a token belongs to. */
  readonly tokenTypeIds: torch.Tensor;
  /** [N] int32: each token's position in its row, from 0. */
  readonly positionIds: torch.Tensor;
  readonly layout: RowLayout;
  /** What rows had before, of a decoder that goes on from there. */
  readonly cache?: KeyValueCache | undefined;
}

/** A row as a model is given it. */
export interface TokenRow {
  readonly inputIds: readonly number[];
  readonly tokenTypeIds: readonly number[];
}

/** Rows of tokens, as arguments of a call. */
export const rowsOfTokens = listOf(
  "a list of rows, as encodeRows gives them",
  having("a row of tokens", "inputIds", "tokenTypeIds"),
);

/**
 * Lays rows end to end.
 * @param cache where rows continue what they had before: their positions too
 * @param device of the tensors; the CPU unless given
 */
export function modelInput(rows: readonly TokenRow[], cache?: KeyValueCache, device = "cpu"): ModelInput {
  checkArguments("modelInput", ["rows", rows, rowsOfTokens]);
  const lengths = rows.map(({ inputIds }) => inputIds.length);
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const [ids, types, positions] = [new Int32Array(tokens), new Int32Array(tokens), new Int32Array(tokens)];
  const numbers = (of: Int32Array) => torch.tensor(of, [tokens], "int32", device);
  let start = 0;
  for (const [row, { inputIds, tokenTypeIds }] of rows.entries()) {
    ids.set(inputIds, start);
    types.set(tokenTypeIds, start);
    const before = cache?.lengths[row] ?? 0;
    for (let i = 0; i < inputIds.length; i++) positions[start + i] = before + i;
    start += inputIds.length;
  }
  return {
    inputIds: numbers(ids),
    tokenTypeIds: numbers(types),
    positionIds: numbers(positions),
    layout: rowLayout(lengths, device),
    cache,
  };
}

// Layers

/** One layer of a stack. `Rows` is what it is told of the tokens: how they make up rows, and what else it needs to know of them. */
export abstract class StackLayer<Rows = RowLayout> extends Module {
  /** x: N,H → N,H, or K,H for the tokens in `only` */
  abstract forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor;
}

/** Layers of one kind, one upon the other. */
export class LayerStack<Rows = RowLayout> extends ModuleList<StackLayer<Rows>> {
  /**
   * Each layer has a memory scope of its own: what its gradient does not need is released as soon as it is through.
   * @param x [N, H] embeddings
   * @param only [K] flat indices of the tokens whose result is wanted: past the last attention nothing else is computed
   * @returns [N, H], or [K, H] with `only`
   */
  forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const last = this.items.at(-1);
    let hidden = x;
    for (const layer of this.items) {
      const input = hidden;
      const forward = () => layer.forward(input, rows, context, layer === last ? only : undefined);
      hidden = torch.scope(() => (context.gradientCheckpointing ? checkpoint(forward) : forward()));
      if (input !== x && input !== hidden) input.dispose(); // what a gradient needs of it, the graph holds
    }
    return hidden;
  }

  /** `x` and each layer's output. */
  states(x: torch.Tensor, rows: Rows, context: ForwardContext): torch.Tensor[] {
    const states = [x];
    for (const layer of this.items) states.push(layer.forward(states.at(-1) as torch.Tensor, rows, context, undefined));
    return states;
  }
}

/** The tokens of a layer that are gone on with. x: N,H → K,H */
export function pick(x: torch.Tensor, indices: torch.Tensor | undefined): torch.Tensor {
  return indices ? torch.indexSelect(x, 0, indices) : x;
}

// Model

/** What the rest of the program needs to know of a model's `config.json`. */
export interface ModelConfig {
  readonly vocabSize: number;
  /** Kinds of tokens: 0 or 1 for a model that tells no second text from the first. */
  readonly typeVocabSize: number;
  readonly layers: number;
  readonly hiddenSize: number;
  /** Tokens that a row can have, special tokens included. */
  readonly maxTokens: number;
  /** Padding, where the model has a token for it. */
  readonly padTokenId?: number | undefined;
  /** Standard deviation of freshly drawn weights. */
  readonly initializerRange: number;
  /** Of a usual head. */
  readonly classifierDropout: number;
}

/** A model without a head: from tokens to hidden states. */
export abstract class Backbone extends Module {
  /**
   * @param only [K] flat indices of the tokens whose state is wanted
   * @returns [N, H], or [K, H] with `only`
   */
  abstract forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor;

  /** Whether what a cache holds of a sequence's first `before` tokens is right once it has `after`. */
  holds(_before: number, _after: number): boolean {
    return true;
  }

  /** The embeddings' output and each layer's, [N, H]. */
  abstract hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[];
}

/** Embeddings, a stack of layers that are told of their tokens by `Rows`, and perhaps a norm after the last one. */
export abstract class StackedModel<Rows> extends Backbone {
  constructor(
    private readonly stack: LayerStack<Rows>,
    private readonly finalNorm?: Norm,
  ) {
    super();
  }

  forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const embedded = this.embed(input, context);
    const hidden = this.stack.forward(embedded, this.rowsOf(input, context, embedded.dtype), context, only);
    input.cache?.advance(input.layout);
    return this.finish(hidden);
  }

  /** As transformers lists them: where there is a norm after the last one, that one is normalised. */
  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    const embedded = this.embed(input, context);
    const states = this.stack.states(embedded, this.rowsOf(input, context, embedded.dtype), context);
    return [...states.slice(0, -1), this.finish(states.at(-1) as torch.Tensor)];
  }

  /** What the first layer gets: [N, H]. */
  protected abstract embed(input: ModelInput, context: ForwardContext): torch.Tensor;

  /** What all layers are told. @param dtype of what they compute in */
  protected abstract rowsOf(input: ModelInput, context: ForwardContext, dtype: torch.DType): Rows;

  private finish(hidden: torch.Tensor): torch.Tensor {
    return this.finalNorm ? this.finalNorm.forward(hidden) : hidden;
  }
}

// From tokens to hidden states: a batch of tokens, a stack of layers, and the model without a head around them.
// Shapes: N tokens of all rows, K selected tokens, H hidden size.
import { checkArguments, having, listOf } from "../base/index.js";
import type { Encoded } from "../text/index.js";
import * as torch from "../torch/index.js";
import { checkpoint } from "../torch/operators/index.js";
import {
  type ForwardContext,
  type KeyValueCache,
  Module,
  ModuleList,
  type Norm,
  type RowLayout,
  rowLayout,
  type SharedKeys,
} from "./nn/index.js";

// Input

/** A model's input: the tokens of all rows of a batch, concatenated without padding. */
export interface ModelInput {
  /** [N] int32 */
  readonly inputIds: torch.Tensor;
  /** The same ids in the processor's memory: reading the tensor would wait for a GPU. */
  readonly ids: Int32Array;
  /** [N] int32: which text of a pair a token belongs to. */
  readonly tokenTypeIds: torch.Tensor;
  /** [N] int32: the position of each token in its row, from 0. */
  readonly positionIds: torch.Tensor;
  readonly layout: RowLayout;
  /** Keys and values of earlier tokens, for incremental decoding. */
  readonly cache?: KeyValueCache | undefined;
  /** The keys of rows that begin with tokens of other rows. */
  readonly shared?: SharedKeys | undefined;
}

/** Checks an argument that must be rows of tokens. */
export const rowsOfTokens = listOf(
  "a list of rows, as encodeExamples gives them",
  having("a row of tokens", "inputIds", "tokenTypeIds"),
);

/**
 * Concatenates rows.
 * @param cache for incremental decoding: positions continue after the cached tokens
 * @param device the device of the tensors; the CPU by default
 */
export function modelInput(rows: readonly Encoded[], cache?: KeyValueCache, device = "cpu"): ModelInput {
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
    ids,
    tokenTypeIds: numbers(types),
    positionIds: numbers(positions),
    layout: rowLayout(lengths, device),
    cache,
  };
}

// Layers

/** One layer of a stack. `Rows` is what all layers share about a batch: its layout, and things such as rotary tables. */
export abstract class StackLayer<Rows = RowLayout> extends Module {
  /** x: N,H → N,H, or K,H for only the selected tokens */
  abstract forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor;
}

/** Layers applied one after the other. */
export class LayerStack<Rows = RowLayout> extends ModuleList<StackLayer<Rows>> {
  /**
   * Each layer runs in its own memory scope, so what its gradient does not need is released right after it.
   * @param x [N, H] embeddings
   * @param only [K] flat indices of the tokens whose result is needed; after the last attention nothing else is computed
   * @returns [N, H], or [K, H] with `only`
   */
  forward(x: torch.Tensor, rows: Rows, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const last = this.items.at(-1);
    let hidden = x;
    for (const layer of this.items) {
      const input = hidden;
      const forward = () => layer.forward(input, rows, context, layer === last ? only : undefined);
      hidden = torch.scope(() => (context.gradientCheckpointing ? checkpoint(forward) : forward()));
      if (input !== x && input !== hidden) input.dispose(); // the autograd graph keeps what gradients need
    }
    return hidden;
  }

  /** `x` and each layer's output. */
  states(x: torch.Tensor, rows: Rows, context: ForwardContext): torch.Tensor[] {
    const states = [x];
    for (const layer of this.items) states.push(layer.forward(states.at(-1)!, rows, context, undefined));
    return states;
  }
}

/** Selects tokens. x: N,H → K,H */
export function selectTokens(x: torch.Tensor, indices: torch.Tensor | undefined): torch.Tensor {
  return indices ? torch.indexSelect(x, 0, indices) : x;
}

// Model

/** The part of a model's `config.json` that code outside the architecture uses. */
export interface ModelConfig {
  readonly vocabSize: number;
  /** Number of token types; 0 or 1 for a model that does not distinguish the texts of a pair. */
  readonly typeVocabSize: number;
  readonly layers: number;
  readonly hiddenSize: number;
  /** Maximum length of a row, including special tokens. */
  readonly maxTokens: number;
  /** The padding token, if the model has one. */
  readonly padTokenId?: number | undefined;
  /** Standard deviation of newly initialized weights. */
  readonly initializerRange: number;
  /** Dropout of the usual heads. */
  readonly classifierDropout: number;
}

/** A model without a head. */
export abstract class Backbone extends Module {
  /** Whether passes compute what an exported graph does: also tokens whose state is not needed, and distances that no two tokens have. */
  computesAll = false;

  /**
   * @param only [K] flat indices of the tokens whose state is needed
   * @returns [N, H], or [K, H] with `only`
   */
  abstract forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor;

  /** Whether keys and values cached when a sequence had `before` tokens are still valid when it has `after`. */
  cacheStaysValid(_before: number, _after: number): boolean {
    return true;
  }

  /** The outputs of the embeddings and of each layer, [N, H]. */
  abstract hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[];
}

/** Embeddings, a stack of layers, and in some models a final norm. `Rows` as in `StackLayer`. */
export abstract class StackedModel<Rows> extends Backbone {
  constructor(
    private readonly stack: LayerStack<Rows>,
    private readonly finalNorm?: Norm,
  ) {
    super();
  }

  forward(input: ModelInput, context: ForwardContext, only?: torch.Tensor): torch.Tensor {
    const embedded = this.embed(input, context);
    const needed = this.computesAll ? undefined : only;
    const rows = this.rowsOf(input, context, embedded.dtype);
    const compute = () => {
      const hidden = this.stack.forward(embedded, rows, context, needed);
      return this.finish(needed === only ? hidden : selectTokens(hidden, only));
    };
    const { cache, layout } = input;
    return cache ? cache.pass(layout, torch.tensorsIn([embedded, rows, only]), compute) : compute();
  }

  /** As in transformers: the last one is after the final norm, if there is one. */
  hiddenStates(input: ModelInput, context: ForwardContext): torch.Tensor[] {
    const embedded = this.embed(input, context);
    const states = this.stack.states(embedded, this.rowsOf(input, context, embedded.dtype), context);
    return [...states.slice(0, -1), this.finish(states.at(-1)!)];
  }

  /** The input of the first layer: [N, H]. */
  protected abstract embed(input: ModelInput, context: ForwardContext): torch.Tensor;

  /** What all layers share about the batch. @param dtype the dtype of hidden states */
  protected abstract rowsOf(input: ModelInput, context: ForwardContext, dtype: torch.DType): Rows;

  private finish(hidden: torch.Tensor): torch.Tensor {
    return this.finalNorm ? this.finalNorm.forward(hidden) : hidden;
  }
}

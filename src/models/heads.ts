// Heads: which hidden states they read, and the usual ones.
// Shapes: K tokens read, B rows, N tokens of all rows, H hidden size.
import {
  type Activation,
  castTo,
  Dropout,
  type Embedding,
  type ForwardContext,
  Linear,
  Module,
  OutputLinear,
  type RowLayout,
} from "../nn/index.js";
import * as torch from "../torch/index.js";
import type { Backbone, ModelConfig, ModelInput } from "./backbone.js";

/**
 * Which hidden states of a row a head reads: its first token's, that of the last token that is no padding, every token's, or the
 * mean of all of them.
 */
export type Reads = "first" | "last" | "every" | "mean";

/** What turns hidden states into outputs. */
export interface Head {
  /** Its modules by the paths that they have in transformers' class. */
  readonly modules: Readonly<Record<string, Module>>;
  /** hidden: [K, H] of the tokens that it reads, in float32 (float64 in a float64 model) unless it is pretrained → [K, outputs] */
  forward(hidden: torch.Tensor, context: ForwardContext): torch.Tensor;
}

/** How a head is built on a backbone. */
export interface HeadDesign<Config extends ModelConfig = ModelConfig> {
  readonly reads:
    | Reads
    | {
        /** Where the configuration says it. */
        by(config: Config): Reads;
      };
  /** The path of the linear layer that gives the outputs. */
  readonly output: string;
  /** The path of the backbone's parameter that serves as the output matrix where the configuration ties them. */
  readonly tiedTo?: string;
  /** transformers' class, where its name is not the architecture's with the kind of head at its end. */
  readonly className?: string;
  /** It comes with the checkpoint as the backbone does: never drawn, no more trained than that, and in its dtype. */
  readonly isPretrained?: boolean;
  /**
   * A head with so many outputs; its parameters are still empty.
   * @param backbone whose own parameters a tied head computes with, having none itself
   */
  build(config: Config, outputs: number, backbone: Backbone): Head;
}

/** What a task asks of the top of a model. */
export interface HeadKind {
  /** The end of transformers' class name, such as `ForTokenClassification`. */
  readonly className: string;
  /** What architectures have that say nothing else. */
  readonly usual?: HeadDesign;
}

// Usual heads

/** A linear layer over every token, behind a dropout. */
export function linearHead<Config extends ModelConfig>(
  output: string,
  dropoutOf: (config: Config) => number,
): HeadDesign<Config> {
  return {
    reads: "every",
    output,
    build(config, outputs) {
      const dropout = new Dropout(dropoutOf(config));
      const layer = new Linear(config.hiddenSize, outputs);
      return {
        modules: { dropout, [output]: layer },
        forward: (hidden, context) => layer.forward(dropout.forward(hidden, context), context),
      };
    },
  };
}

class ClassificationHead extends Module {
  private readonly dense: Linear;
  private readonly dropout: Dropout;
  private readonly projection: Linear;

  constructor(
    config: ModelConfig,
    outputs: number,
    private readonly activation: Activation,
  ) {
    super();
    this.dense = this.child("dense", new Linear(config.hiddenSize, config.hiddenSize));
    this.dropout = this.child("dropout", new Dropout(config.classifierDropout));
    this.projection = this.child("out_proj", new Linear(config.hiddenSize, outputs));
  }

  /** x: B,H → [B, outputs]; the one dropout is used twice */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const features = this.activation(this.dense.forward(this.dropout.forward(x, context), context));
    return this.projection.forward(this.dropout.forward(features, context), context);
  }
}

/** The first token's state, a dense layer with an activation, the outputs; dropout before both. */
export function classificationHead(activation: Activation): HeadDesign {
  return {
    reads: "first",
    output: "classifier.out_proj",
    build(config, outputs) {
      const classifier = new ClassificationHead(config, outputs, activation);
      return { modules: { classifier }, forward: (hidden, context) => classifier.forward(hidden, context) };
    },
  };
}

/** The state of a row's last token, and a product without bias: how decoders classify. */
export const scoreHead: HeadDesign = {
  reads: "last",
  output: "score",
  build(config, outputs) {
    const score = new Linear(config.hiddenSize, outputs, { bias: false });
    return { modules: { score }, forward: (hidden, context) => score.forward(hidden, context) };
  },
};

/** A model whose embeddings may serve as its output matrix. */
export interface LanguageConfig extends ModelConfig {
  readonly tiesEmbeddings: boolean;
}

/**
 * The output matrix of a causal language model, under transformers' usual name. It comes with the checkpoint.
 * @param table the path of the embeddings' weight
 */
export function languageHead<Config extends LanguageConfig>(
  table: string,
  embeddingsOf: (backbone: Backbone) => Embedding,
): HeadDesign<Config> {
  return {
    reads: "every",
    output: "lm_head",
    isPretrained: true,
    tiedTo: table,
    build({ hiddenSize, vocabSize, tiesEmbeddings }, _outputs, backbone) {
      const layer = new OutputLinear(hiddenSize, vocabSize, tiesEmbeddings ? embeddingsOf(backbone) : undefined);
      return {
        modules: { lm_head: layer },
        forward: (hidden: torch.Tensor, context: ForwardContext) => layer.forward(hidden, context),
      };
    },
  };
}

// Hidden states

/**
 * [K] int64: the flat indices of the tokens that are read; undefined for all of them.
 * @param padTokenId padding that a text itself may end in
 */
export function indicesRead(
  reads: Reads,
  { inputIds, layout }: ModelInput,
  padTokenId: number | undefined,
): torch.Tensor | undefined {
  if (reads === "every" || reads === "mean") return undefined;
  return reads === "first" ? layout.first : lastTokens(inputIds, layout, padTokenId);
}

/** As transformers' decoders have it, a row of nothing but padding is read at its first token. */
function lastTokens(inputIds: torch.Tensor, { lengths }: RowLayout, padTokenId: number | undefined): torch.Tensor {
  const ids = inputIds.toTypedArray() as Int32Array;
  let end = 0;
  const last = lengths.map((length) => {
    end += length;
    const unpadded = ids.subarray(end - length, end).findLastIndex((id) => id !== padTokenId);
    return end - length + Math.max(unpadded, 0);
  });
  return torch.tensor(last, [last.length], "int64", inputIds.device);
}

/** The mean of each row's states. hidden: [N, H] → [B, H] */
export function rowMeans(hidden: torch.Tensor, { lengths }: RowLayout): torch.Tensor {
  const tokens = hidden.shape[0] as number;
  const shares = new Float64Array(lengths.length * tokens); // B,N
  let start = 0;
  for (const [row, length] of lengths.entries()) {
    shares.fill(1 / length, row * tokens + start, row * tokens + start + length);
    start += length;
  }
  return torch.matmul(torch.tensor(shares, [lengths.length, tokens], hidden.dtype, hidden.device), hidden);
}

/** Heads are trained, so they compute in full precision whatever the backbone's dtype is. */
export function headDtype(dtype: torch.DType): torch.DType {
  return dtype === "float64" ? "float64" : "float32";
}

/** Hidden states in the head's precision. */
export function toHead(hidden: torch.Tensor): torch.Tensor {
  return castTo(hidden, headDtype(hidden.dtype));
}

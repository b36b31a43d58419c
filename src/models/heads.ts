// Heads: which hidden states they read, and the usual ones.
// Shapes: K tokens read, B rows, N tokens of all rows, H hidden size.

import { sum } from "d3-array";
import * as torch from "../torch/index.js";
import type { Backbone, ModelConfig, ModelInput } from "./backbone.js";
import {
  type Activation,
  Dropout,
  type Embedding,
  type ForwardContext,
  Linear,
  Module,
  OutputLinear,
  type RowLayout,
} from "./nn/index.js";

/**
 * Which hidden states of a row a head reads: the first token's, the last non-padding token's, every token's, or the mean over all
 * tokens.
 */
export type Reads = "first" | "last" | "every" | "mean";

/** A head: from hidden states to outputs. */
export interface Head {
  /** Its modules by their paths in transformers' class. */
  readonly modules: Readonly<Record<string, Module>>;
  /** hidden: [K, H] of the tokens it reads, in float32 (float64 in a float64 model) unless it is pretrained → [K, outputs] */
  forward(hidden: torch.Tensor, context: ForwardContext): torch.Tensor;
}

/** How a head is built. */
export interface HeadDesign<Config extends ModelConfig = ModelConfig> {
  readonly reads:
    | Reads
    | {
        /** If it depends on the configuration. */
        by(config: Config): Reads;
      };
  /** The path of the output layer. */
  readonly output: string;
  /** The path of the backbone's parameter that is also the output matrix, if the configuration ties them. */
  readonly tiedTo?: string;
  /** The name of transformers' class, if it is not the architecture's prefix plus the kind of head. */
  readonly className?: string;
  /** The path of the backbone in transformers' class, if it is not the architecture's. */
  readonly prefix?: string;
  /** Whether it belongs to the pretrained model: never newly initialized, trained only as the backbone is, and in its dtype. */
  readonly isPretrained?: boolean;
  /** Whether there is no head: the model is transformers' base class, in which the backbone's names have no prefix. */
  readonly isBare?: boolean;
  /** How new weights of the linear layer at a path are drawn; by default, with the configuration's deviation. */
  initialOf?(config: Config, path: string): InitialWeights;
  /**
   * Builds the head, with empty parameters.
   * @param backbone the model, whose embeddings a tied head uses
   */
  build(config: Config, outputs: number, backbone: Backbone): Head;
}

/** A normal distribution around 0. */
export interface InitialWeights {
  readonly deviation: number;
  /** The most deviations from 0; draws beyond it are replaced by others. */
  readonly cutoff?: number;
}

/** The kind of head that a task needs. */
export interface HeadKind {
  /** The suffix of transformers' class name, such as `ForTokenClassification`. */
  readonly className: string;
  /** The head of architectures that don't define their own. */
  readonly usual?: HeadDesign;
}

// Usual heads

/** Dropout and a linear layer, for every token. */
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

/** What a head computes from the states that it reads. */
interface Features extends Module {
  forward(hidden: torch.Tensor, context: ForwardContext): torch.Tensor;
}

/** A module on the states that are read, by default the first token's; then dropout and an output layer. */
export function classifierAfter<Config extends ModelConfig>(
  path: string,
  featuresOf: (config: Config) => Features,
  dropoutOf: (config: Config) => number,
  { reads = "first", dropoutPath = "dropout", activation = (x) => x }: FeatureOptions<Config> = {},
): HeadDesign<Config> {
  return {
    reads,
    output: "classifier",
    build(config, outputs) {
      const features = featuresOf(config);
      const dropout = new Dropout(dropoutOf(config));
      const classifier = new Linear(config.hiddenSize, outputs);
      return {
        modules: { [path]: features, [dropoutPath]: dropout, classifier },
        forward(hidden, context) {
          const found = activation(features.forward(hidden, context));
          return classifier.forward(dropout.forward(found, context), context);
        },
      };
    },
  };
}

interface FeatureOptions<Config extends ModelConfig> extends Partial<Pick<HeadDesign<Config>, "reads">> {
  readonly dropoutPath?: string;
  /** On the module's output. */
  readonly activation?: Activation;
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

  /** x: B,H → [B, outputs]. The same dropout is used twice. */
  forward(x: torch.Tensor, context: ForwardContext): torch.Tensor {
    const features = this.activation(this.dense.forward(this.dropout.forward(x, context), context));
    return this.projection.forward(this.dropout.forward(features, context), context);
  }
}

/** For the first token: dropout, dense layer, activation, dropout, output layer. */
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

/** The head with which decoders classify: a linear layer without bias on the last token's state. */
export const scoreHead: HeadDesign = {
  reads: "last",
  output: "score",
  build(config, outputs) {
    const score = new Linear(config.hiddenSize, outputs, { bias: false });
    return { modules: { score }, forward: (hidden, context) => score.forward(hidden, context) };
  },
};

/** The configuration of a model that can tie its embeddings and output matrix. */
export interface LanguageConfig extends ModelConfig {
  readonly tiesEmbeddings: boolean;
}

/**
 * The output matrix of a causal language model, from the checkpoint.
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

/** No head: the states of all tokens, from a model as transformers' `AutoModel` loads it. */
export const NO_HEAD: HeadKind = {
  className: "Model",
  usual: {
    reads: "every",
    output: "",
    isPretrained: true,
    isBare: true,
    build: () => ({ modules: {}, forward: (hidden) => hidden }),
  },
};

// Hidden states

/**
 * [K] int64: the flat indices of the tokens that are read; undefined for all.
 * @param padTokenId the padding token, which a row's own text may end with
 */
export function indicesRead(
  reads: Reads,
  { ids, layout }: ModelInput,
  padTokenId: number | undefined,
): torch.Tensor | undefined {
  if (reads === "every" || reads === "mean") return undefined;
  return reads === "first" ? layout.first : lastTokens(ids, layout, padTokenId);
}

/** The last token of each row that is not padding; as in transformers, the first token of a row of only padding. */
function lastTokens(ids: Int32Array, { lengths, first }: RowLayout, padTokenId: number | undefined): torch.Tensor {
  let end = 0;
  const last = lengths.map((length) => {
    end += length;
    const unpadded = ids.subarray(end - length, end).findLastIndex((id) => id !== padTokenId);
    return end - length + Math.max(unpadded, 0);
  });
  return torch.tensor(last, [last.length], "int64", first.device);
}

/** How many rows' means are one product, whose size grows with the square of their number. */
const ROWS_OF_PRODUCT = 32;

/**
 * Mean pooling. hidden: [N, H] → [B, H]
 * @param skipped of each row, the tokens at its start that do not count; a row of nothing else counts whole
 */
export function rowMeans(hidden: torch.Tensor, { lengths }: RowLayout, skipped: readonly number[] = []): torch.Tensor {
  const means: torch.Tensor[] = [];
  for (let row = 0, start = 0; row < lengths.length; row += ROWS_OF_PRODUCT) {
    const shares = sharesOfTokens(lengths.slice(row, row + ROWS_OF_PRODUCT), skipped.slice(row), hidden);
    const tokens = shares.shape[1]!;
    means.push(torch.matmul(shares, torch.narrow(hidden, 0, start, tokens)));
    start += tokens;
  }
  return means.length === 1 ? means[0]! : torch.cat(means);
}

/** The share of each token in its row's mean. [B, N], like `hidden` */
function sharesOfTokens(
  lengths: readonly number[],
  skipped: readonly number[],
  { dtype, device }: torch.Tensor,
): torch.Tensor {
  const tokens = sum(lengths);
  const shares = new Float64Array(lengths.length * tokens);
  let start = 0;
  for (const [row, length] of lengths.entries()) {
    const out = skipped[row] ?? 0;
    const first = out < length ? out : 0;
    shares.fill(1 / (length - first), row * tokens + start + first, row * tokens + start + length);
    start += length;
  }
  return torch.tensor(shares, [lengths.length, tokens], dtype, device);
}

/** The dtype of heads: they are trained, so they have full precision even on a bfloat16 backbone. */
export function headDtype(dtype: torch.DType): torch.DType {
  return dtype === "float64" ? "float64" : "float32";
}

/** Hidden states in the head's precision. */
export function toHeadDtype(hidden: torch.Tensor): torch.Tensor {
  return torch.castTo(hidden, headDtype(hidden.dtype));
}

// MPNet.
// Shapes: N tokens of all rows, K selected tokens, H hidden size, A heads, L length of the longest row.

import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { architecture } from "../architecture.js";
import { LayerStack, type ModelInput, selectTokens } from "../backbone.js";
import { ConfigReader, configError } from "../configReader.js";
import {
  type AttentionBlock,
  EncoderLayer,
  EncoderModel,
  InputEmbeddings,
  positionsAfterPadding,
  SelfAttention,
} from "../encoder.js";
import { classificationHead } from "../heads.js";
import {
  addAndNorm,
  Dropout,
  type ForwardContext,
  LayerNorm,
  Module,
  type Parameter,
  type RowLayout,
} from "../nn/index.js";
import { type BertConfig, parseBertConfig } from "./bert.js";

// Config

interface MPNetConfig extends BertConfig {
  /** Rows of the table of relative position biases. */
  readonly buckets: number;
}

/** transformers' model has these numbers as constants, whatever the configuration says. */
const PAD_TOKEN = 1;
const BUCKETS = 32;
/** All larger distances share a bucket. */
export const MAX_DISTANCE = 128;

function parseConfig(json: JsonObject): MPNetConfig {
  const defaults = { vocabSize: 30527, padTokenId: PAD_TOKEN, typeVocabSize: 0 };
  const config = parseBertConfig(json, { ...defaults, reservedPositions: () => PAD_TOKEN + 1 });
  const read = new ConfigReader(json);
  read.only("pad_token_id", PAD_TOKEN);
  const buckets = read.count("relative_attention_num_buckets", BUCKETS);
  if (buckets < BUCKETS)
    throw configError(`relative_attention_num_buckets must be at least ${BUCKETS}, but is ${buckets}.`);
  return { ...config, typeVocabSize: 0, classifierDropout: config.hiddenDropout, buckets };
}

// Attention

/** What all layers share about the batch. */
interface MPNetRows {
  readonly layout: RowLayout;
  /** [A, L, L] */
  readonly bias: torch.Tensor;
}

/** The biases of relative positions, which all layers share. Not an `Embedding`, since it is not looked up by token. */
class RelativeAttentionBias extends Module {
  private readonly weight: Parameter;

  constructor(buckets: number, heads: number) {
    super();
    this.weight = this.parameter("weight", [buckets, heads]);
  }

  /** → A,L,L */
  forward({ lengths }: RowLayout): torch.Tensor {
    const { tensor, computeDtype } = this.weight;
    const length = lengths.reduce((a, b) => Math.max(a, b));
    const rows = torch.indexSelect(
      torch.castTo(tensor, computeDtype ?? tensor.dtype),
      0,
      bucketsOf(length, tensor.device),
    );
    return torch.view(torch.contiguous(torch.transpose(rows, 0, 1)), [-1, length, length]);
  }
}

/** [L·L] int64: the bucket for each query and key. */
function bucketsOf(length: number, device: string): torch.Tensor {
  const byDistance = Array.from({ length: 2 * length - 1 }, (_, i) => relativePositionBucket(i - length + 1));
  const buckets = Array.from({ length: length * length }, (_, i) => {
    const [query, key] = [Math.floor(i / length), i % length];
    return byDistance[query - key + length - 1]!;
  });
  return torch.tensor(buckets, [buckets.length], "int64", device);
}

/**
 * The bucket for a key that is `distance` tokens before its query: one for each short distance, logarithmic ones for longer distances;
 * the second half of the buckets is for keys after their query. In float32, as in transformers.
 */
export function relativePositionBucket(distance: number): number {
  const { fround, log } = Math;
  const half = BUCKETS / 2;
  const exact = half / 2;
  const far = Math.abs(distance);
  const ratio = fround(fround(log(fround(far / exact))) / fround(log(MAX_DISTANCE / exact)));
  const bucket = far < exact ? far : Math.min(exact + Math.floor(fround(ratio * (half - exact))), half - 1);
  return distance < 0 ? bucket + half : bucket;
}

const NAMES = { query: "q", key: "k", value: "v", output: "o" };

class Attention extends Module implements AttentionBlock<MPNetRows> {
  private readonly attention: SelfAttention;
  private readonly norm: LayerNorm;
  private readonly dropout: Dropout;

  constructor(config: MPNetConfig) {
    super();
    this.attention = this.child("attn", new SelfAttention(config, NAMES));
    this.norm = this.child("LayerNorm", new LayerNorm(config.hiddenSize, config.layerNormEpsilon));
    this.dropout = this.child("dropout", new Dropout(config.hiddenDropout));
  }

  forward(x: torch.Tensor, rows: MPNetRows, context: ForwardContext, only: torch.Tensor | undefined): torch.Tensor {
    const { layout, bias } = rows;
    const attended = this.attention.forward(x, layout, context, { bias, only });
    return addAndNorm(attended, selectTokens(x, only), { dropout: this.dropout, norm: this.norm, context });
  }
}

// Model

class MPNetModel extends EncoderModel<MPNetRows> {
  private readonly relativeBias: RelativeAttentionBias;

  constructor(config: MPNetConfig) {
    const layers = Array.from({ length: config.layers }, () => new EncoderLayer(config, new Attention(config)));
    super(new InputEmbeddings(config, positionsAfterPadding(PAD_TOKEN), PAD_TOKEN), new LayerStack(layers));
    const bias = new RelativeAttentionBias(config.buckets, config.heads);
    this.relativeBias = this.child("encoder.relative_attention_bias", bias);
  }

  protected override rowsOf({ layout }: ModelInput): MPNetRows {
    return { layout, bias: this.relativeBias.forward(layout) };
  }
}

export const mpnet = architecture<MPNetConfig>({
  className: "MPNet",
  prefix: "mpnet",
  // PEFT has no default for it.
  defaultTargetModules: ["q", "v"],
  subLayerOutputs: { attention: ["attention.attn.o"], feedForward: ["output.dense"] },
  parseConfig,
  backbone: (config) => new MPNetModel(config),
  heads: { ForSequenceClassification: classificationHead(torch.tanh) },
});

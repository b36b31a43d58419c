// Disentangled attention (DeBERTa, arXiv 2006.03654): besides content-to-content scores, attention has content-to-position and
// position-to-content scores, from relative positions with their own projections.
// Shapes: N tokens of all rows, H hidden size, S largest relative position, A heads, D head size; in a padded group R rows, L length of
// the longest row, P distances that are projected, by default those within the longest row of the batch.

import type { JsonObject } from "../../base/records/index.js";
import * as torch from "../../torch/index.js";
import { type ConfigReader, configError } from "../configReader.js";
import type { TokenMixer } from "../encoder.js";
import {
  type AttendOptions,
  attend,
  Dropout,
  type ForwardContext,
  LayerNorm,
  Linear,
  Module,
  ofTable,
  type Parameter,
  projectTogether,
  type RowLayout,
} from "../nn/index.js";

// Config

/** Content-to-position and position-to-content scores. */
const POSITION_TERMS = ["c2p", "p2c"] as const;
type PositionTerm = (typeof POSITION_TERMS)[number];

/** How distances between tokens are embedded. */
export interface RelativeConfig {
  /** There is an embedding for each distance (or bucket) from −span to span − 1. */
  readonly span: number;
  /** Long distances share logarithmic buckets. Undefined: each distance has its own embedding. */
  readonly buckets: { readonly count: number; readonly maxDistance: number } | undefined;
  readonly isNormalized: boolean;
  /** Whether positions are projected by the same layers as contents. */
  readonly sharesProjections: boolean;
}

/** The settings of disentangled attention. */
export interface DisentangledConfig {
  readonly hiddenSize: number;
  readonly heads: number;
  readonly layerNormEpsilon: number;
  readonly hiddenDropout: number;
  readonly attentionDropout: number;
  /** Undefined for attention without relative positions. */
  readonly relative: RelativeConfig | undefined;
  /** Each term lowers the scale of all scores, even without relative positions. */
  readonly positionTerms: readonly PositionTerm[];
}

/** Reads the settings of relative positions. @throws BidoraError `CONFIG` for one that is not supported */
export function parseRelativePositions(
  json: JsonObject,
  read: ConfigReader,
  positions: number,
): Pick<DisentangledConfig, "relative" | "positionTerms"> {
  return {
    relative: read.flag("relative_attention", false) ? parseRelative(read, positions) : undefined,
    positionTerms: parseTerms(json),
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
    isNormalized: normsOf(read).includes("layer_norm"),
    sharesProjections: read.flag("share_att_key", false),
  };
}

function normsOf(read: ConfigReader): string[] {
  const norms = words(read.text("norm_rel_ebd", "none"));
  const unknown = norms.find((norm) => norm !== "none" && norm !== "layer_norm");
  if (unknown === undefined) return norms;
  throw configError(`norm_rel_ebd ${JSON.stringify(unknown)} is not supported; supported are none, layer_norm.`);
}

/** A list, or words separated by |. */
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

// Attention

/** What all layers share about the batch. */
export interface DistantRows {
  readonly layout: RowLayout;
  /** Undefined for attention without relative positions. */
  readonly distances: Distances | undefined;
}

/** Consecutive rows of the table of distances. */
interface Distances {
  readonly first: number;
  /** [P, H] */
  readonly embeddings: torch.Tensor;
}

/** Not an `Embedding`, since its rows are not looked up by token, so it can't be adapted like one. */
class Table extends Module {
  readonly weight: Parameter;

  constructor(count: number, size: number) {
    super();
    this.weight = this.parameter("weight", [count, size]);
  }
}

/** The distance embeddings, which all layers share. */
export class DistanceEmbeddings extends Module {
  private readonly table: Table;
  private readonly norm: LayerNorm | undefined;

  constructor(
    private readonly config: RelativeConfig,
    { hiddenSize, layerNormEpsilon }: DisentangledConfig,
  ) {
    super();
    this.table = this.child("rel_embeddings", new Table(2 * config.span, hiddenSize));
    if (config.isNormalized) this.norm = this.child("LayerNorm", new LayerNorm(hiddenSize, layerNormEpsilon));
  }

  /** The embeddings of the distances in a row of so many tokens, or of the whole table: with few buckets, no distance reaches its ends. */
  forward(length: number | "all"): Distances {
    const first = length === "all" ? 0 : relativePosition(1 - length, this.config);
    const last = length === "all" ? 2 * this.config.span - 1 : relativePosition(length - 1, this.config);
    const { tensor, computeDtype } = this.table.weight;
    const rows = torch.castTo(torch.narrow(tensor, 0, first, last - first + 1), computeDtype ?? tensor.dtype);
    return { first, embeddings: this.norm ? this.norm.forward(rows) : rows };
  }
}

type Scores = NonNullable<AttendOptions["scores"]>;

export class DisentangledAttention extends Module implements TokenMixer<DistantRows> {
  private readonly query: Linear;
  private readonly key: Linear;
  private readonly value: Linear;
  /** The projection of distance embeddings for each term. */
  private readonly ofDistances: ReadonlyMap<PositionTerm, Linear>;
  private readonly distanceDropout: Dropout;
  private readonly dropout: Dropout;

  constructor(private readonly config: DisentangledConfig) {
    super();
    const { hiddenSize, relative, positionTerms } = config;
    const square = () => new Linear(hiddenSize, hiddenSize);
    this.query = this.child("query_proj", square());
    this.key = this.child("key_proj", square());
    this.value = this.child("value_proj", square());
    const own = { c2p: "pos_key_proj", p2c: "pos_query_proj" };
    const shared = { c2p: this.key, p2c: this.query };
    const layerOf = (term: PositionTerm) =>
      relative?.sharesProjections ? shared[term] : this.child(own[term], square());
    this.ofDistances = new Map(relative ? positionTerms.map((term) => [term, layerOf(term)]) : []);
    this.distanceDropout = this.child("pos_dropout", new Dropout(config.hiddenDropout));
    this.dropout = this.child("dropout", new Dropout(config.attentionDropout));
  }

  /** x: N,H → N,H */
  forward(x: torch.Tensor, { layout, distances }: DistantRows, context: ForwardContext): torch.Tensor {
    const { heads, hiddenSize, positionTerms } = this.config;
    const [q, k, v] = projectTogether([this.query, this.key, this.value], x, context);
    // In float32 for every model dtype, as in transformers.
    const scale = 1 / Math.fround(Math.sqrt((hiddenSize / heads) * (1 + positionTerms.length)));
    const scores = distances && this.scoresOf(distances, scale, context);
    return attend(q, k, v, { heads, layout, scale, scores, dropout: this.dropout, context });
  }

  private scoresOf({ first, embeddings }: Distances, scale: number, context: ForwardContext): Scores | undefined {
    const { heads, relative } = this.config;
    const ofDistances = ofTable(context, first);
    const dropped = this.distanceDropout.forward(embeddings, ofDistances);
    const project = (term: PositionTerm) => {
      const projected = this.ofDistances.get(term)?.forward(dropped, ofDistances);
      return projected && toColumns(projected, heads);
    };
    const [keys, queries] = [project("c2p"), project("p2c")];
    if (!keys && !queries) return undefined;
    return (q, k) => {
      const positions = relativePositions(q.shape[2]!, first, relative as RelativeConfig, q.device);
      const terms = [
        keys && selectPositions(torch.matmul(q, keys), positions),
        queries && torch.transpose(selectPositions(torch.matmul(k, queries), torch.t(positions)), 2, 3),
      ].filter((term) => term !== undefined);
      return torch.mulScalar(
        terms.reduce((a, b) => torch.add(a, b)),
        scale,
      );
    };
  }
}

/** [P, A·D] → [A, D, P] */
function toColumns(x: torch.Tensor, heads: number): torch.Tensor {
  const [count, width] = x.shape as [number, number];
  return torch.transpose(torch.transpose(torch.view(x, [count, heads, width / heads]), 0, 1), 1, 2);
}

/** Selects for each query and key the score of their distance. products: R,A,L,P; positions: L,L → R,A,L,L */
function selectPositions(products: torch.Tensor, positions: torch.Tensor): torch.Tensor {
  const [rows, heads, length] = products.shape as [number, number, number, number];
  return torch.gather(products, 3, torch.expand(positions, [rows, heads, length, length]));
}

/** [L, L] int64: for the distance of each query and key, the row of the table less `first`. */
function relativePositions(length: number, first: number, config: RelativeConfig, device: string): torch.Tensor {
  const byDistance = Int32Array.from({ length: 2 * length - 1 }, (_, i) => {
    return relativePosition(i - length + 1, config) - first;
  });
  const tokens = torch.arange(length, { dtype: "int64", device });
  const distances = torch.sub(torch.unsqueeze(torch.addScalar(tokens, length - 1), 1), tokens);
  const table = torch.tensor(byDistance, [byDistance.length], "int64", device);
  return torch.view(torch.indexSelect(table, 0, torch.flatten(distances)), [length, length]);
}

/** The row of the table for a key that is `distance` tokens before its query. */
export function relativePosition(
  distance: number,
  { span, buckets }: Pick<RelativeConfig, "span" | "buckets">,
): number {
  const bucket = buckets ? bucketOf(distance, buckets) : distance;
  return Math.min(Math.max(bucket + span, 0), 2 * span - 1);
}

/** Short distances are their own buckets; long ones are rounded up on a logarithmic scale. In float32, as in transformers. */
function bucketOf(distance: number, { count, maxDistance }: NonNullable<RelativeConfig["buckets"]>): number {
  const near = Math.floor(count / 2);
  const far = Math.abs(distance);
  if (far <= near) return distance;
  const { fround, log } = Math;
  const ratio = fround(fround(log(fround(far / near))) / fround(log(fround((maxDistance - 1) / near))));
  return Math.sign(distance) * (Math.ceil(fround(ratio * (near - 1))) + near);
}

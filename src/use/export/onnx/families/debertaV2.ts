// DeBERTa v2 and v3. Shapes: b rows, s tokens, H hidden size, A heads, D head size, S largest relative position.
import { BidoraError } from "../../../../base/index.js";
import {
  type ConvolutionConfig,
  type DebertaConfig,
  type RelativeConfig,
  relativePosition,
} from "../../../../models/families/index.js";
import { attend, byDistance, joinHeads, positionsInRow, splitHeads } from "../attention.js";
import { bertEncoder, paddingBias, withTypes } from "../bertLayers.js";
import type { EncoderInputs } from "../encoder.js";
import { encoderGraph } from "../encoder.js";
import type { Value } from "../graph/graph.js";
import type { ModelGraph } from "../graph/modelGraph.js";

const EMBEDDINGS = "deberta.embeddings";

/** → [b, s, H] */
function embed(g: ModelGraph, { ids, mask, types }: EncoderInputs, config: DebertaConfig): Value {
  const words = g.lookup(`${EMBEDDINGS}.word_embeddings`, ids);
  const positions = () => g.lookup(`${EMBEDDINGS}.position_embeddings`, positionsInRow(g, mask));
  const typed = withTypes(g, config.hasPositions ? g.add(words, positions()) : words, types);
  const isProjected = config.embeddingSize !== config.hiddenSize;
  return g.norm(`${EMBEDDINGS}.LayerNorm`, isProjected ? g.linear(`${EMBEDDINGS}.embed_proj`, typed) : typed);
}

/** What all layers share: the distance embeddings [2S, H], and for each query and key the row of their distance, [s, s]. */
interface Distances {
  readonly table: Value;
  readonly positions: Value;
}

/** A distance beyond which the row is always the same. @throws BidoraError `EXPORT` where that is too far away for a table */
function farthest({ span, buckets }: RelativeConfig): number {
  if (!buckets) return span;
  if (buckets.count % 2 === 0) return 2 * buckets.maxDistance;
  throw new BidoraError(
    "EXPORT",
    `The model can't be written as ONNX: its position_buckets are an odd number, ${buckets.count}; take a model with an even one.`,
  );
}

function distancesOf(g: ModelGraph, ids: Value, relative: RelativeConfig): Distances {
  const table = g.parameter("deberta.encoder.rel_embeddings.weight");
  const limit = farthest(relative);
  return {
    table: relative.isNormalized ? g.norm("deberta.encoder.LayerNorm", table) : table,
    positions: byDistance(g, ids, limit, (distance) => relativePosition(distance, relative)),
  };
}

/** [2S, A·D] → [A, D, 2S] */
const toColumns = (g: ModelGraph, x: Value, heads: number, headSize: number): Value =>
  g.transpose(g.reshape(x, [0, heads, headSize]), [1, 2, 0]);

/** Selects for each query and key the score of their distance. products: [b, A, s, 2S]; positions: [s, s] → [b, A, s, s] */
function selectPositions(g: ModelGraph, products: Value, positions: Value): Value {
  const shape = g.concat([g.shape(products, 0, 3), g.shape(positions, 1)], 0);
  return g.gatherElements(products, g.expand(positions, shape), 3);
}

/** Content-to-position and position-to-content scores. q, k: [b, A, s, D] → [b, A, s, s] each */
function positionScores(
  g: ModelGraph,
  own: string,
  { q, k }: { readonly q: Value; readonly k: Value },
  { table, positions }: Distances,
  { heads, hiddenSize, positionTerms, relative }: DebertaConfig,
): Value[] {
  const shares = relative?.sharesProjections;
  const columns = (name: string) => toColumns(g, g.linear(`${own}.${name}`, table), heads, hiddenSize / heads);
  return positionTerms.map((term) => {
    if (term === "c2p") {
      const keys = columns(shares ? "key_proj" : "pos_key_proj");
      return selectPositions(g, g.matMul(q, keys), positions);
    }
    const queries = columns(shares ? "query_proj" : "pos_query_proj");
    const selected = selectPositions(g, g.matMul(k, queries), g.transpose(positions, [1, 0]));
    return g.transpose(selected, [0, 1, 3, 2]);
  });
}

function attention(
  g: ModelGraph,
  layer: string,
  x: Value,
  rows: { readonly bias: Value; readonly distances: Distances | undefined },
  config: DebertaConfig,
): Value {
  const { heads, hiddenSize, positionTerms } = config;
  const [own, headSize] = [`${layer}.attention.self`, hiddenSize / heads];
  const scale = 1 / Math.sqrt(headSize * (1 + positionTerms.length));
  const head = (name: string) => splitHeads(g, g.linear(`${own}.${name}`, x), heads, headSize);
  const [q, k, v] = [head("query_proj"), head("key_proj"), head("value_proj")];
  const scores = rows.distances ? positionScores(g, own, { q, k }, rows.distances, config) : [];
  const bias = [...scores.map((score) => g.mul(score, scale)), rows.bias];
  return joinHeads(g, attend(g, { q, k, v, scale, bias }), heads, headSize);
}

/** A convolution over each row's tokens, added to the first layer's output and normalized. input, output: [b, s, H] → the same */
function convolved(
  g: ModelGraph,
  { input, output, mask }: { readonly input: Value; readonly output: Value; readonly mask: Value },
  { kernelSize, activation }: ConvolutionConfig,
): Value {
  const path = "deberta.encoder.conv";
  const tokens = g.mul(input, g.unsqueeze(g.cast(mask, "float32"), [2]));
  const [weight, bias] = [g.parameter(`${path}.conv.weight`), g.parameter(`${path}.conv.bias`)];
  const sums = g.conv(g.transpose(tokens, [0, 2, 1]), weight, bias, (kernelSize - 1) / 2);
  const activated = g.activate(activation, g.transpose(sums, [0, 2, 1]));
  return g.norm(`${path}.LayerNorm`, g.add(output, activated));
}

export const debertaV2 = encoderGraph<DebertaConfig>({
  takesTypes: ({ typeVocabSize }) => typeVocabSize > 0,
  hidden(g, inputs, config) {
    const { relative, convolution } = config;
    const bias = paddingBias(g, inputs.mask);
    const rows = { bias, distances: relative && distancesOf(g, inputs.ids, relative) };
    const embedded = embed(g, inputs, config);
    const layers = (x: Value, from: number, to: number) =>
      bertEncoder(g, x, { activation: config.activation, from, to }, (layer, hidden) =>
        attention(g, layer, hidden, rows, config),
      );
    if (!convolution) return layers(embedded, 0, config.layers);
    const first = convolved(g, { input: embedded, output: layers(embedded, 0, 1), mask: inputs.mask }, convolution);
    return layers(first, 1, config.layers);
  },
  heads: {
    ForSequenceClassification: (g, x, { poolerActivation }) =>
      g.linear("classifier", g.activate(poolerActivation, g.linear("pooler.dense", x))),
  },
});

// Losses of embeddings, as sums, each as sentence-transformers defines it. Shapes: B examples, M negatives of all, H width.
import type { Pooling } from "../../formats/index.js";
import { crossEntropy, meanSquaredError, normalize } from "../../models/nn/index.js";
import * as torch from "../../torch/index.js";
import { type Group, targetOf } from "../batch.js";
import { type EncodedEmbeddingExample, keysOf } from "./encode.js";

/** The embeddings of a batch, by the place of their texts in the examples. */
export interface Columns {
  /** [B, H] */
  readonly anchors: torch.Tensor;
  /** [B, H] */
  readonly positives: torch.Tensor;
  /** [M, H], in the order of the examples. */
  readonly negatives: torch.Tensor;
}

interface LossOptions {
  /** Cosines are divided by it. */
  readonly temperature: number;
  /** The examples whose losses are summed; by default all. In-batch losses compare them with all. */
  readonly group?: Group | undefined;
}

interface EmbeddingLoss {
  /** The examples that it takes. */
  readonly takes: "pairs" | "scored pairs" | "triplets";
  /** Whether an example without negatives is compared with the others of its batch, and teaches nothing alone. */
  readonly isInBatch?: boolean;
  readonly usesTemperature: boolean;
  /** The weight of an example in the mean. */
  weight(example: EncodedEmbeddingExample): number;
  /** Whether it is no sum over examples. */
  readonly isWhole?: boolean;
  /** The sum over examples. */
  sum(columns: Columns, examples: readonly EncodedEmbeddingExample[], options: LossOptions): torch.Tensor;
}

const one = (): number => 1;

/** The cross-entropy of each anchor's own positive among all positives and negatives of the batch. */
function ranking(
  { anchors, positives, negatives }: Columns,
  examples: readonly EncodedEmbeddingExample[],
  options: LossOptions,
): torch.Tensor {
  const candidates = torch.cat([positives, negatives], 0);
  const keys = examples.map(keysOf);
  const names = [...keys.map(([, positive]) => positive), ...keys.flatMap((own) => own.slice(2))] as string[];
  return ranked(cosines(anchors, candidates), names, options);
}

/** The mean of the ranking losses from anchors to positives and negatives, and from positives to anchors. */
function symmetricRanking(
  columns: Columns,
  examples: readonly EncodedEmbeddingExample[],
  options: LossOptions,
): torch.Tensor {
  const { anchors, positives } = columns;
  const names = examples.map((example) => keysOf(example)[0] as string);
  const back = ranked(cosines(positives, anchors), names, options);
  return torch.mulScalar(torch.add(ranking(columns, examples, options), back), 0.5);
}

/**
 * The sum over examples of the cross-entropy of candidate i among all candidates. A candidate with the same text as the right one is no
 * negative.
 * @param scores [B, B + M]
 * @param names of the candidates' texts
 */
function ranked(scores: torch.Tensor, names: readonly string[], { temperature, group }: LossOptions): torch.Tensor {
  const [rows = 0, candidates = 0] = scores.shape;
  const logits = torch.divScalar(scores, temperature);
  const repeated = Uint8Array.from({ length: rows * candidates }, (_, at) => {
    const [row, candidate] = [Math.floor(at / candidates), at % candidates];
    return Number(row !== candidate && names[row] === names[candidate]);
  });
  const targets = torch.arange(rows, { dtype: "int64", device: scores.device });
  const compared = hidden(logits, repeated);
  if (!group) return crossEntropy(compared, targets);
  const own = torch.tensor(group, [group.length], "int64", scores.device);
  return crossEntropy(torch.indexSelect(compared, 0, own), own);
}

/** Scores with minus infinity where `mask` has 1. */
function hidden(scores: torch.Tensor, mask: Uint8Array): torch.Tensor {
  if (!mask.includes(1)) return scores;
  const where = torch.gtScalar(torch.tensor(Array.from(mask), scores.shape, "int32", scores.device), 0);
  return torch.maskedFill(scores, where, Number.NEGATIVE_INFINITY);
}

/** [n, m] cosines of each vector with each other one. */
const cosines = (a: torch.Tensor, b: torch.Tensor): torch.Tensor =>
  torch.matmul(normalize(a), torch.transpose(normalize(b), 0, 1));

/** [B] cosines of anchors and positives. */
const pairCosines = ({ anchors, positives }: Columns): torch.Tensor =>
  torch.sumDim(torch.mul(normalize(anchors), normalize(positives)), [1]);

/** log(1 + Σ exp((cos_i − cos_j) / temperature)) over all pairs of examples with score_i < score_j, once for each of the batch. */
function cosent(
  columns: Columns,
  examples: readonly EncodedEmbeddingExample[],
  { temperature }: LossOptions,
): torch.Tensor {
  const logits = torch.divScalar(pairCosines(columns), temperature);
  const differences = torch.sub(torch.unsqueeze(logits, 1), torch.unsqueeze(logits, 0)); // B,B
  const scores = examples.map(scoreOf);
  const ordered = Uint8Array.from(scores.flatMap((own) => scores.map((other) => Number(!(own < other)))));
  const terms = torch.flatten(hidden(differences, ordered));
  const all = torch.reshape(torch.cat([torch.zeros([1], terms), terms], 0), [1, -1]);
  return torch.mulScalar(crossEntropy(all, torch.zeros([1], { dtype: "int64", device: all.device })), examples.length);
}

/** The squared error of the cosines as predictions of the scores. */
function cosine(columns: Columns, examples: readonly EncodedEmbeddingExample[]): torch.Tensor {
  const predicted = pairCosines(columns);
  return meanSquaredError(
    predicted,
    torch.tensor(examples.map(scoreOf), [examples.length], predicted.dtype, predicted.device),
  );
}

/** How much farther than the positive a negative should be. */
const MARGIN = 5;
/** max(0, ‖a − p‖ − ‖a − n‖ + 5) of each negative. */
function triplet(
  { anchors, positives, negatives }: Columns,
  examples: readonly EncodedEmbeddingExample[],
): torch.Tensor {
  const owners = examples.flatMap((example, i) => new Array<number>(example.lengths.length - 2).fill(i));
  const index = torch.tensor(owners, [owners.length], "int64", anchors.device);
  const [a, p] = [torch.indexSelect(anchors, 0, index), torch.indexSelect(positives, 0, index)];
  const distance = (b: torch.Tensor) => torch.linalgVectorNorm(torch.sub(a, b), 2, [1]);
  return torch.sum(torch.relu(torch.addScalar(torch.sub(distance(p), distance(negatives)), MARGIN)));
}

function scoreOf(example: EncodedEmbeddingExample): number {
  const { score } = targetOf(example);
  if (score === undefined) throw new TypeError("The row has no score.");
  return score;
}

/** Every loss by its name for `--loss`, as in sentence-transformers. */
export const EMBEDDING_LOSSES: Readonly<Record<EmbeddingLossName, EmbeddingLoss>> = {
  "multiple-negatives-ranking": { takes: "pairs", isInBatch: true, usesTemperature: true, weight: one, sum: ranking },
  "multiple-negatives-symmetric-ranking": {
    ...{ takes: "pairs", isInBatch: true, usesTemperature: true, weight: one },
    sum: symmetricRanking,
  },
  cosent: { takes: "scored pairs", isInBatch: true, isWhole: true, usesTemperature: true, weight: one, sum: cosent },
  cosine: { takes: "scored pairs", usesTemperature: false, weight: one, sum: cosine },
  triplet: { takes: "triplets", usesTemperature: false, weight: ({ lengths }) => lengths.length - 2, sum: triplet },
};

/** The name of a loss of embeddings. */
export type EmbeddingLossName =
  | "multiple-negatives-ranking"
  | "multiple-negatives-symmetric-ranking"
  | "cosent"
  | "cosine"
  | "triplet";

/** The settings of a run that learns embeddings. */
export interface EmbeddingSettings {
  /** By default multiple-negatives-ranking, or cosent for examples with scores. */
  readonly loss?: EmbeddingLossName | undefined;
  /** Cosines are divided by it in losses that compare them; 0.05 by default. */
  readonly temperature?: number | undefined;
  /** By default the model folder's own. */
  readonly pooling?: Pooling | undefined;
  /** The loss is the sum of the losses of embeddings cut to each of these widths. */
  readonly matryoshka?: readonly number[] | undefined;
  /** The examples whose intermediate results are in memory at a time (GradCache); by default all of a batch. */
  readonly miniBatchSize?: number | undefined;
  readonly batchSize?: number | undefined;
}

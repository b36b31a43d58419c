// Losses of embeddings, as sums, each as sentence-transformers defines it. Shapes: B rows, M negatives of all rows, H width.
import { crossEntropy, meanSquaredError, normalize } from "../../models/nn/index.js";
import * as torch from "../../torch/index.js";
import { targetOf } from "../texts.js";
import { type EmbeddingRow, keysOf } from "./rows.js";
import type { EmbeddingLossName } from "./settings.js";

/** The embeddings of a batch, by the place of their texts in the rows. */
export interface Columns {
  /** [B, H] */
  readonly anchors: torch.Tensor;
  /** [B, H] */
  readonly positives: torch.Tensor;
  /** [M, H], in the order of the rows. */
  readonly negatives: torch.Tensor;
}

interface LossOptions {
  /** Cosines are divided by it. */
  readonly temperature: number;
}

interface EmbeddingLoss {
  /** The rows that it takes. */
  readonly takes: "pairs" | "scored pairs" | "triplets";
  /** Whether a row without negatives is compared with the other rows of its batch, and teaches nothing alone. */
  readonly isInBatch?: boolean;
  readonly usesTemperature: boolean;
  /** The weight of a row in the mean. */
  weight(row: EmbeddingRow): number;
  /** The sum over rows. */
  sum(columns: Columns, rows: readonly EmbeddingRow[], options: LossOptions): torch.Tensor;
}

const one = (): number => 1;

/** The cross-entropy of each anchor's own positive among all positives and negatives of the batch. */
function ranking(
  { anchors, positives, negatives }: Columns,
  rows: readonly EmbeddingRow[],
  { temperature }: LossOptions,
): torch.Tensor {
  const candidates = torch.cat([positives, negatives], 0);
  const keys = rows.map(keysOf);
  const names = [...keys.map(([, positive]) => positive), ...keys.flatMap((own) => own.slice(2))] as string[];
  return ranked(cosines(anchors, candidates), names, temperature);
}

/** The mean of the ranking losses from anchors to positives and negatives, and from positives to anchors. */
function symmetricRanking(columns: Columns, rows: readonly EmbeddingRow[], options: LossOptions): torch.Tensor {
  const { anchors, positives } = columns;
  const names = rows.map((row) => keysOf(row)[0] as string);
  const back = ranked(cosines(positives, anchors), names, options.temperature);
  return torch.mulScalar(torch.add(ranking(columns, rows, options), back), 0.5);
}

/**
 * The sum over rows of the cross-entropy of candidate i among all candidates. A candidate with the same text as the right one is no
 * negative.
 * @param scores [B, B + M]
 * @param names of the candidates' texts
 */
function ranked(scores: torch.Tensor, names: readonly string[], temperature: number): torch.Tensor {
  const [rows = 0, candidates = 0] = scores.shape;
  const logits = torch.divScalar(scores, temperature);
  const repeated = Uint8Array.from({ length: rows * candidates }, (_, at) => {
    const [row, candidate] = [Math.floor(at / candidates), at % candidates];
    return Number(row !== candidate && names[row] === names[candidate]);
  });
  const targets = torch.arange(rows, { dtype: "int64", device: scores.device });
  return crossEntropy(hidden(logits, repeated), targets);
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

/** log(1 + Σ exp((cos_i − cos_j) / temperature)) over all pairs of rows with score_i < score_j, once for each row of the batch. */
function cosent(columns: Columns, rows: readonly EmbeddingRow[], { temperature }: LossOptions): torch.Tensor {
  const logits = torch.divScalar(pairCosines(columns), temperature);
  const differences = torch.sub(torch.unsqueeze(logits, 1), torch.unsqueeze(logits, 0)); // B,B
  const scores = rows.map(scoreOf);
  const ordered = Uint8Array.from(scores.flatMap((own) => scores.map((other) => Number(!(own < other)))));
  const terms = torch.flatten(hidden(differences, ordered));
  const all = torch.reshape(torch.cat([torch.zeros([1], terms), terms], 0), [1, -1]);
  return torch.mulScalar(crossEntropy(all, torch.zeros([1], { dtype: "int64", device: all.device })), rows.length);
}

/** The squared error of the cosines as predictions of the scores. */
function cosine(columns: Columns, rows: readonly EmbeddingRow[]): torch.Tensor {
  const predicted = pairCosines(columns);
  return meanSquaredError(predicted, torch.tensor(rows.map(scoreOf), [rows.length], predicted.dtype, predicted.device));
}

/** How much farther than the positive a negative should be. */
const MARGIN = 5;
/** max(0, ‖a − p‖ − ‖a − n‖ + 5) of each negative. */
function triplet({ anchors, positives, negatives }: Columns, rows: readonly EmbeddingRow[]): torch.Tensor {
  const owners = rows.flatMap((row, i) => new Array<number>(row.lengths.length - 2).fill(i));
  const index = torch.tensor(owners, [owners.length], "int64", anchors.device);
  const [a, p] = [torch.indexSelect(anchors, 0, index), torch.indexSelect(positives, 0, index)];
  const distance = (b: torch.Tensor) => torch.linalgVectorNorm(torch.sub(a, b), 2, [1]);
  return torch.sum(torch.relu(torch.addScalar(torch.sub(distance(p), distance(negatives)), MARGIN)));
}

function scoreOf(row: EmbeddingRow): number {
  const { score } = targetOf(row);
  if (score === undefined) throw new TypeError("The row has no score.");
  return score;
}

/** Every loss by its name for `--loss`. */
export const EMBEDDING_LOSSES: Readonly<Record<EmbeddingLossName, EmbeddingLoss>> = {
  "multiple-negatives-ranking": { takes: "pairs", isInBatch: true, usesTemperature: true, weight: one, sum: ranking },
  "multiple-negatives-symmetric-ranking": {
    ...{ takes: "pairs", isInBatch: true, usesTemperature: true, weight: one },
    sum: symmetricRanking,
  },
  cosent: { takes: "scored pairs", isInBatch: true, usesTemperature: true, weight: one, sum: cosent },
  cosine: { takes: "scored pairs", usesTemperature: false, weight: one, sum: cosine },
  triplet: { takes: "triplets", usesTemperature: false, weight: ({ lengths }) => lengths.length - 2, sum: triplet },
};

// Losses of rerankers, as sums. Shapes: E examples, P pairs of all, K pairs of the longest example.
import { binaryCrossEntropy, crossEntropy, meanSquaredError } from "../../models/nn/index.js";
import * as torch from "../../torch/index.js";
import { targetOf } from "../batch.js";
import type { EncodedRerankingExample } from "./encode.js";

type Examples = readonly EncodedRerankingExample[];

interface RerankingLoss {
  /** Whether it compares a positive with its negatives, so that documents with a score don't do. */
  readonly takesLists: boolean;
  /** The weight of an example in the mean. */
  weight(example: EncodedRerankingExample): number;
  /** The sum over examples. @param outputs [P, 1] */
  sum(outputs: torch.Tensor, examples: Examples): torch.Tensor;
}

const pairs = ({ lengths }: EncodedRerankingExample): number => lengths.length;

/** [P] */
const relevances = (examples: Examples, { dtype, device }: torch.Tensor): torch.Tensor => {
  const scores = examples.flatMap((example) => targetOf(example).scores);
  return torch.tensor(scores, [scores.length], dtype, device);
};

/** −log softmax of each positive, the first document, among its own example's documents. */
function listwise(outputs: torch.Tensor, examples: Examples): torch.Tensor {
  const most = Math.max(...examples.map(pairs));
  let start = 0;
  const places = examples.flatMap((example) => {
    const own = Array.from({ length: most }, (_, i) => (i < pairs(example) ? start + i : -1));
    start += pairs(example);
    return own;
  });
  const index = torch.tensor(
    places.map((place) => Math.max(0, place)),
    [places.length],
    "int64",
    outputs.device,
  );
  const logits = torch.reshape(torch.indexSelect(torch.flatten(outputs), 0, index), [examples.length, most]); // E,K
  const targets = torch.zeros([examples.length], { dtype: "int64", device: outputs.device });
  return crossEntropy(withoutPadding(logits, places), targets);
}

/** Minus infinity where an example has no document. @param places -1 there */
function withoutPadding(logits: torch.Tensor, places: readonly number[]): torch.Tensor {
  if (!places.includes(-1)) return logits;
  const absent = torch.tensor(
    places.map((place) => Number(place < 0)),
    logits.shape,
    "int32",
    logits.device,
  );
  return torch.maskedFill(logits, torch.gtScalar(absent, 0), Number.NEGATIVE_INFINITY);
}

/** Every loss by its name for `--loss`. All but `listwise` are sentence-transformers'. */
export const RERANKING_LOSSES: Readonly<Record<RerankingLossName, RerankingLoss>> = {
  "binary-cross-entropy": {
    takesLists: false,
    weight: pairs,
    sum: (outputs, examples) =>
      binaryCrossEntropy(outputs, torch.reshape(relevances(examples, outputs), outputs.shape)),
  },
  listwise: { takesLists: true, weight: () => 1, sum: listwise },
  mse: {
    takesLists: false,
    weight: pairs,
    sum: (outputs, examples) => meanSquaredError(torch.flatten(outputs), relevances(examples, outputs)),
  },
};

/** The name of a loss of rerankers. */
export type RerankingLossName = "binary-cross-entropy" | "listwise" | "mse";

import { BidoraError } from "../../base/index.js";
import * as torch from "../../torch/index.js";

/** One vector for each text, all of one length. */
export type Embeddings = readonly ArrayLike<number>[];

/** As `torch.nn.functional.normalize`: a zero vector stays zero, so its cosine with every vector is 0. */
const SMALLEST_NORM = 1e-12;

/**
 * Vectors scaled to norm 1, so that their dot products are cosines.
 * @param nameOf what a vector is of, for error messages
 * @returns [vectors, width] float32
 * @throws BidoraError `EMBEDDINGS` for vectors of another width, and for values that are not finite
 */
export function unitRows(embeddings: Embeddings, width: number, nameOf: (row: number) => string): torch.Tensor {
  const values = new Float32Array(embeddings.length * width);
  for (const [row, vector] of embeddings.entries()) {
    if (vector.length !== width)
      throw badEmbedding(
        nameOf(row),
        `has ${vector.length} values, and others have ${width}: embed all with one model`,
      );
    const scale = 1 / Math.max(normOf(vector), SMALLEST_NORM);
    if (!Number.isFinite(scale) || scale === 0)
      throw badEmbedding(nameOf(row), "has values that are not finite numbers");
    for (let i = 0; i < width; i++) values[row * width + i] = (vector[i] as number) * scale;
  }
  return torch.tensor(values, [embeddings.length, width]);
}

/** The cosine of two vectors; 0 if one of them is zero. */
export function cosine(a: ArrayLike<number>, b: ArrayLike<number>): number {
  let dot = 0;
  for (let i = 0; i < a.length; i++) dot += (a[i] as number) * (b[i] as number);
  return dot / (Math.max(normOf(a), SMALLEST_NORM) * Math.max(normOf(b), SMALLEST_NORM));
}

function normOf(vector: ArrayLike<number>): number {
  let squares = 0;
  for (let i = 0; i < vector.length; i++) squares += (vector[i] as number) ** 2;
  return Math.sqrt(squares);
}

const badEmbedding = (what: string, problem: string): BidoraError =>
  new BidoraError("EMBEDDINGS", `The embedding of ${what} ${problem}.`);

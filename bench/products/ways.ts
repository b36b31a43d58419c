// Shapes: x [n, in], W [out, in], y [n, out]; g, the gradient of y, is [n, out], and that of x is g·W, [n, in].
import * as torch from "../../src/torch/index.js";

export const DIRECTIONS = ["forward", "input gradient"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Multiplies x (forward) or g (input gradient) by a prepared weight. */
export type Multiply = (x: torch.Tensor) => torch.Tensor;

/** One way to multiply by a frozen weight. */
export interface Way {
  readonly name: string;
  /** Whether this way applies to this number of rows and this build of libtorch, and differs from the other ways. */
  fits(rows: number): boolean;
  /** Creates whatever the way needs besides the weight, in the caller's scope. */
  prepare(weight: torch.Tensor, direction: Direction, rows: number): Multiply;
}

const contiguousTranspose = (weight: torch.Tensor) => torch.clone(torch.t(weight), { memoryFormat: "contiguous" });

/** The weight of a linear layer that computes this direction. */
const linearWeightFor = (weight: torch.Tensor, direction: Direction) =>
  direction === "forward" ? weight : contiguousTranspose(weight);

const plain: Way = {
  name: "plain",
  fits: () => true,
  prepare: (weight, direction) =>
    direction === "forward" ? (x) => torch.linear(x, weight) : (g) => torch.mm(g, weight),
};

const transposed: Way = {
  name: "transposed",
  fits: () => true,
  prepare(weight, direction) {
    const copy = contiguousTranspose(weight);
    return direction === "forward" ? (x) => torch.mm(x, copy) : (g) => torch.linear(g, copy);
  },
};

const onednn = () => torch.engineFacts().onednn;

function multiplyPacked(weight: torch.Tensor, direction: Direction, rows?: number) {
  const packed = torch.reorderLinearWeight(linearWeightFor(weight, direction), rows);
  return (x: torch.Tensor) => torch.linearPointwise(x, packed, null, "none", [], "");
}

const packed: Way = {
  name: "packed",
  fits: onednn,
  prepare: (weight, direction) => multiplyPacked(weight, direction),
};

/** Given the number of rows, oneDNN may choose another layout. */
const packedForRows: Way = {
  name: "packed for n",
  fits: onednn,
  prepare: (weight, direction, rows) => multiplyPacked(weight, direction, rows),
};

function blocksOf(x: torch.Tensor, size: number): torch.Tensor[] {
  const rows = x.shape[0] as number;
  return Array.from({ length: Math.ceil(rows / size) }, (_, i) =>
    torch.narrow(x, 0, i * size, Math.min(size, rows - i * size)),
  );
}

const inBlocks = (size: number): Way => ({
  name: `rows ${size}`,
  fits: (rows) => rows > size,
  prepare(weight, direction) {
    const factor = direction === "forward" ? torch.t(weight) : weight;
    return (x) => {
      const y = torch.empty([x.shape[0] as number, factor.shape[1] as number], { dtype: x.dtype });
      const parts = blocksOf(y, size);
      for (const [i, block] of blocksOf(x, size).entries()) torch.mmOut(block, factor, parts[i] as torch.Tensor);
      return y;
    };
  },
});

const packedInBlocks = (size: number): Way => ({
  name: `packed rows ${size}`,
  fits: (rows) => rows > size && onednn(),
  prepare(weight, direction) {
    const multiply = multiplyPacked(weight, direction, size);
    return (x) => torch.cat(blocksOf(x, size).map(multiply));
  },
});

/** Every way that libtorch offers: products only, without bias. */
export const WAYS: readonly Way[] = [
  plain,
  transposed,
  packed,
  packedForRows,
  inBlocks(256),
  inBlocks(512),
  packedInBlocks(512),
];

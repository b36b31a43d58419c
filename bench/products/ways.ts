// Shapes: x [n, in], W [out, in], y [n, out]; g, the gradient of y, is [n, out], and that of x is g·W, [n, in].
import * as torch from "../../src/torch/index.js";

export const DIRECTIONS = ["forward", "input gradient"] as const;
export type Direction = (typeof DIRECTIONS)[number];

/** Multiplies x (forward) or g (input gradient) by a weight that was made ready before. */
export type Multiply = (x: torch.Tensor) => torch.Tensor;

/** One way to multiply by a frozen weight. */
export interface Way {
  readonly name: string;
  /** Whether it differs from the others for so many rows, on this build of libtorch. */
  fits(rows: number): boolean;
  /** What it needs beside the weight is made here, and lives as long as the scope that this is called in. */
  prepare(weight: torch.Tensor, direction: Direction, rows: number): Multiply;
}

const turned = (weight: torch.Tensor) => torch.clone(torch.t(weight), { memoryFormat: "contiguous" });

/** The weight as a linear layer that goes in this direction has it. */
const facing = (weight: torch.Tensor, direction: Direction) => (direction === "forward" ? weight : turned(weight));

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
    const copy = turned(weight);
    return direction === "forward" ? (x) => torch.mm(x, copy) : (g) => torch.linear(g, copy);
  },
};

const onednn = () => torch.engineFacts().onednn;

function multiplyPacked(weight: torch.Tensor, direction: Direction, rows?: number) {
  const packed = torch.reorderLinearWeight(facing(weight, direction), rows);
  return (x: torch.Tensor) => torch.linearPointwise(x, packed, null, "none", [], "");
}

const packed: Way = {
  name: "packed",
  fits: onednn,
  prepare: (weight, direction) => multiplyPacked(weight, direction),
};

/** oneDNN may choose another layout when it is told the number of rows. */
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

/** Every way that libtorch has: products alone, without bias. */
export const WAYS: readonly Way[] = [
  plain,
  transposed,
  packed,
  packedForRows,
  inBlocks(256),
  inBlocks(512),
  packedInBlocks(512),
];

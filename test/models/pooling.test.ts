import { expect, test } from "vitest";
import { rowMeans } from "../../src/models/heads.js";
import { rowLayout } from "../../src/models/nn/index.js";
import * as torch from "../../src/torch/index.js";

test("the mean of each of many rows leaves out what is skipped, and its gradient reaches the tokens that count", () => {
  const lengths = Array.from({ length: 70 }, (_, i) => 1 + (i % 4));
  const skipped = lengths.map((_, i) => i % 3);
  const starts = lengths.map((_, i) => lengths.slice(0, i).reduce((sum, length) => sum + length, 0));
  const tokens = lengths.reduce((sum, length) => sum + length, 0);
  const values = Array.from({ length: 2 * tokens }, (_, i) => Math.sin(i));
  const counted = lengths.map((length, i) => (skipped[i]! < length ? skipped[i]! : 0));
  const mean = (row: number, column: number) => {
    const own = values
      .filter((_, i) => i % 2 === column)
      .slice(starts[row]! + counted[row]!, starts[row]! + lengths[row]!);
    return own.reduce((sum, value) => sum + value, 0) / own.length;
  };
  torch.scope(() => {
    const hidden = torch.tensor(values, [tokens, 2], "float64").setRequiresGrad(true);
    const means = rowMeans(hidden, rowLayout(lengths), skipped);
    expect(means.shape).toEqual([70, 2]);
    for (const [i, value] of means.toArray().entries()) expect(value).toBeCloseTo(mean(Math.floor(i / 2), i % 2), 12);
    const [gradient] = torch.grad([torch.sum(means)], [hidden]);
    const expected = lengths.flatMap((length, row) =>
      Array.from({ length: 2 * length }, (_, i) => (i < 2 * counted[row]! ? 0 : 1 / (length - counted[row]!))),
    );
    for (const [i, value] of gradient!.toArray().entries()) expect(value, `${i}`).toBeCloseTo(expected[i]!, 12);
  });
});

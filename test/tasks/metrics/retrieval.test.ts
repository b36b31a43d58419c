import { describe, expect, it } from "vitest";
import { retrieval } from "../../../src/tasks/metrics/index.js";
import { over } from "./feed.js";

describe("retrieval metrics", () => {
  it("of one query, worked out by hand", () => {
    const best = 1 + 1 / Math.log2(3) + 1 / 2;
    expect(over(retrieval(), [3], [[2, 3, 11]])).toEqual({
      "recall@1": 0,
      "recall@10": 2 / 3,
      "mrr@10": 1 / 2,
      "ndcg@10": (1 / Math.log2(3) + 1 / 2) / best,
      "map@100": (1 / 2 + 2 / 3 + 3 / 11) / 3,
    });
  });

  it("count relevant documents that were not found", () => {
    expect(over(retrieval(), [4], [[1]])).toMatchObject({ "recall@10": 1 / 4, "map@100": 1 / 4, "mrr@10": 1 });
    expect(over(retrieval(), [1], [[]])).toMatchObject({ "recall@10": 0, "ndcg@10": 0, "mrr@10": 0 });
  });

  it("are means over queries", () => {
    expect(over(retrieval(), [1, 1, 1, 1], [[1], [10], [11], [101]])).toEqual({
      "recall@1": 1 / 4,
      "recall@10": 1 / 2,
      "mrr@10": 1.1 / 4,
      "ndcg@10": (1 + 1 / Math.log2(11)) / 4,
      "map@100": (1 + 1 / 10 + 1 / 11) / 4,
    });
  });

  it.each([
    [0, []],
    [1, [0]],
    [1, [1, 2]],
    [2, [2, 1]],
    [2, [2, 2]],
    [1, [1.5]],
    [1, [Number.NaN]],
  ])("refuse %j relevant documents with the ranks %j", (relevant, ranks) => {
    expect(() => retrieval().measure(relevant, ranks, 7)).toThrow(/ascending from 1.* for query 7\.$/);
  });
});

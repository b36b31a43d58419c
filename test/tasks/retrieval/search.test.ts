import fc from "fast-check";
import { describe, expect, it } from "vitest";
import { combineMetrics, pearson, retrieval, score, spearman } from "../../../src/tasks/metrics/index.js";
import { cosine, type EmbeddingSearch, nearest, relevantRanks } from "../../../src/tasks/retrieval/index.js";
import { golden } from "./golden.js";

async function metricsOf(
  search: EmbeddingSearch,
  relevant: readonly number[][],
): Promise<Readonly<Record<string, number>>> {
  const ranks = await relevantRanks(search, relevant);
  return score(
    retrieval(),
    ranks.map((found, query) => [relevant[query]!.length, found]),
  );
}

function expectClose(actual: Readonly<Record<string, number>>, expected: Record<string, number>): void {
  expect(Object.keys(actual)).toEqual(Object.keys(expected));
  for (const [name, value] of Object.entries(expected)) expect(actual[name], name).toBeCloseTo(value, 12);
}

it("cosines of embeddings of any length", () => {
  const of = (one: readonly number[], other: readonly number[]) =>
    cosine(Float32Array.from(one), Float32Array.from(other));
  expect(of([3, 4], [6, 8])).toBeCloseTo(1, 10);
  expect(of([3, 4], [4, 3])).toBeCloseTo(24 / 25, 10);
  expect(of([1, 2], [0, 0])).toBe(0);
});

async function listed<T>(items: AsyncIterable<T>): Promise<T[]> {
  const list: T[] = [];
  for await (const item of items) list.push(item);
  return list;
}

describe("retrieval metrics match sentence-transformers", () => {
  it.each(golden.retrieval)("$name", async ({ queries, documents, relevant, metrics }) => {
    expectClose(await metricsOf({ queries, documents }, relevant), metrics);
  });

  it("correlations of cosines", () => {
    const { left, right, scores, metrics } = golden.similarity;
    const found = score(
      combineMetrics(pearson(), spearman()),
      scores.map((reference, row) => [reference, cosine(left[row]!, right[row]!)]),
    );
    expect(found.pearson).toBeCloseTo(metrics.pearson!, 6);
    expect(found.spearman).toBeCloseTo(metrics.spearman!, 12);
  });
});

describe("ranks of relevant documents", () => {
  const east = [1, 0];
  const north = [0, 2];
  const between = [3, 3];

  it("ignore the length of vectors", async () => {
    const documents = [[100, 1], [0.1, 0.1], north];
    expect(await relevantRanks({ queries: [east, between], documents }, [[0], [1]])).toEqual([[1], [1]]);
  });

  it("count documents with the same score as better than relevant ones", async () => {
    const documents = [east, east, east, north];
    expect(await relevantRanks({ queries: [east, east], documents }, [[1], [0, 2, 3]])).toEqual([[3], [2, 3, 4]]);
  });

  it("find nothing if all texts have one embedding", async () => {
    const documents = Array.from({ length: 30 }, () => between);
    const metrics = await metricsOf(
      { queries: documents, documents },
      documents.map((_, i) => [i]),
    );
    expect(metrics).toEqual({ "recall@1": 0, "recall@10": 0, "mrr@10": 0, "ndcg@10": 0, "map@100": 1 / 30 });
  });

  it("put documents last that a zero vector stands for", async () => {
    expect(await relevantRanks({ queries: [east, [0, 0]], documents: [[0, 0], between] }, [[0], [0]])).toEqual([
      [2],
      [2],
    ]);
  });

  it("do not depend on the order of the documents", async () => {
    const vectors = fc.array(fc.tuple(fc.integer({ min: -3, max: 3 }), fc.integer({ min: -3, max: 3 })), {
      minLength: 3,
    });
    await fc.assert(
      fc.asyncProperty(vectors, async (documents) => {
        const last = documents.length - 1;
        const [ranks] = await relevantRanks({ queries: [east], documents }, [[0, 1]]);
        const reversed = documents.toReversed();
        expect(await relevantRanks({ queries: [east], documents: reversed }, [[last - 1, last]])).toEqual([ranks]);
      }),
      { numRuns: 30 },
    );
  });

  it.each(golden.retrieval)("are the same in blocks of any size: $name", async ({ queries, documents, relevant }) => {
    const whole = await relevantRanks({ queries, documents }, relevant);
    const each = await listed(nearest({ queries, documents }, 3));
    for (const rows of [1, 2, 7]) {
      const search = { queries, documents, mostScores: rows * documents.length };
      expect(await relevantRanks(search, relevant)).toEqual(whole);
      const found = await listed(nearest(search, 3));
      expect(found.map((hits) => hits.map(({ document }) => document))).toEqual(
        each.map((hits) => hits.map(({ document }) => document)),
      );
    }
  });

  it.each([
    [[[1, Number.NaN]], "query 1 has values that are not finite"],
    [[east, [1, Number.POSITIVE_INFINITY]], "query 2 has values that are not finite"],
    [[east, east, [1]], "query 3 has 1 values, and others have 2"],
  ])("need vectors of one width with finite values: %j", async (queries, message) => {
    const search = { queries, documents: [east] };
    await expect(
      relevantRanks(
        search,
        queries.map(() => [0]),
      ),
    ).rejects.toThrow(message);
    await expect(listed(nearest(search, 1))).rejects.toThrow(message);
    await expect(listed(nearest({ queries: [east], documents: queries }, 1))).rejects.toThrow("embedding of document");
  });
});

describe("the nearest documents", () => {
  it("are sorted by their cosine", async () => {
    const search = {
      queries: [
        [1, 0],
        [0, 1],
      ],
      documents: [
        [0, 1],
        [1, 1],
        [5, 0],
        [-1, 0],
      ],
    };
    const found = await listed(nearest(search, 2));
    expect(found.map((hits) => hits.map(({ document }) => document))).toEqual([
      [2, 1],
      [0, 1],
    ]);
    expect(found[0]![1]!.score).toBeCloseTo(Math.SQRT1_2, 6);
  });

  it("are all documents if there are no more", async () => {
    expect(await listed(nearest({ queries: [[1]], documents: [[2]] }, 10))).toEqual([[{ document: 0, score: 1 }]]);
    expect(await listed(nearest({ queries: [[1]], documents: [] }, 10))).toEqual([[]]);
    expect(await listed(nearest({ queries: [], documents: [] }, 10))).toEqual([]);
  });

  it("stop at a signal", async () => {
    const signal = AbortSignal.abort(new Error("enough"));
    await expect(listed(nearest({ queries: [[1]], documents: [[1]], signal }, 1))).rejects.toThrow("enough");
  });
});

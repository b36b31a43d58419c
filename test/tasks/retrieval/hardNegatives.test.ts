import { describe, expect, it } from "vitest";
import { hardNegatives, type NegativeOptions, type Rescore, relevanceOf } from "../../../src/tasks/retrieval/index.js";
import { golden } from "./golden.js";

const DEFAULTS: NegativeOptions = { numNegatives: 3, rangeMin: 0, samplingStrategy: "top", seed: 0 };

const { vectors, pairs, corpus, cases, scores, rescored } = golden.mining;
const relevance = relevanceOf(
  pairs.map(([anchor, positive]) => ({ anchor, positive })),
  corpus,
);
const search = {
  queries: relevance.queries.map((text) => vectors[text]!),
  documents: relevance.documents.map((text) => vectors[text]!),
};

/** The texts of each query's negatives. */
async function mined(
  options: Partial<NegativeOptions>,
  excluded: readonly ReadonlySet<number>[] = relevance.queries.map(() => new Set<number>()),
): Promise<Map<string, string[]>> {
  const found = new Map<string, string[]>();
  for await (const hits of hardNegatives(search, relevance, excluded, { ...DEFAULTS, ...options }))
    found.set(
      relevance.queries[found.size]!,
      hits.map(({ document }) => relevance.documents[document]!),
    );
  return found;
}

const camelCase = (name: string) => name.replace(/_(.)/g, (_, letter: string) => letter.toUpperCase());

describe("hard negatives", () => {
  const rescore: Rescore = async (query, documents) =>
    documents.map((document) => scores[relevance.queries[query]!]![relevance.documents[document]!]!);

  it.each([
    ...cases.map((one) => ({ ...one, by: "the embedder" })),
    ...rescored.map((one) => ({ ...one, by: "a reranker" })),
  ])("match sentence-transformers by $by with $settings", async ({ settings, negatives, by }) => {
    const options = Object.fromEntries(Object.entries(settings).map(([name, value]) => [camelCase(name), value]));
    const found = await mined({ ...options, ...(by === "a reranker" && { rescore }) });
    const byPair = pairs.map(([anchor, positive]) => [`${anchor} ${positive}`, found.get(anchor)!] as const);
    expect(Object.fromEntries(byPair.filter(([, texts]) => texts.length > 0))).toEqual(negatives);
  });

  it("are never a positive, whatever the query's other pairs", async () => {
    const found = await mined({ numNegatives: 100 });
    for (const [anchor, positive] of pairs) expect(found.get(anchor)).not.toContain(positive);
    expect(found.get("q0")).toHaveLength(relevance.documents.length - 3);
    expect(found.get("q1")).toHaveLength(relevance.documents.length - 1);
  });

  it("leave out excluded documents, and take the next ones", async () => {
    const ranked = (await mined({ numNegatives: 100 })).get("q2")!;
    const place = relevance.queries.indexOf("q2");
    const places = ranked.slice(0, 8).map((text) => relevance.documents.indexOf(text));
    const excluded = relevance.queries.map((_, query) => new Set(query === place ? places : []));
    expect((await mined({}, excluded)).get("q2")).toEqual(ranked.slice(8, 11));
    const limits = { rangeMax: 6, maxScore: 0.2 };
    const [all, others] = [await mined(limits), await mined(limits, excluded)];
    for (const query of relevance.queries) if (query !== "q2") expect(others.get(query)).toEqual(all.get(query));
  });

  it("have scores within the limits", async () => {
    const limits = { minScore: 0.1, maxScore: 0.4, numNegatives: 100 };
    const scores: number[] = [];
    const none = relevance.queries.map(() => new Set<number>());
    for await (const hits of hardNegatives(search, relevance, none, { ...DEFAULTS, ...limits, rangeMax: 100 }))
      scores.push(...hits.map(({ score }) => score));
    expect(Math.min(...scores)).toBeGreaterThanOrEqual(0.1);
    expect(Math.max(...scores)).toBeLessThanOrEqual(0.4);
    expect(scores.length).toBeGreaterThan(10);
  });

  it("are drawn by the seed among the candidates", async () => {
    const options = { samplingStrategy: "random", rangeMax: 12 } as const;
    const candidates = await mined({ rangeMax: 12, numNegatives: 12 });
    const [first, again, other] = [await mined(options), await mined(options), await mined({ ...options, seed: 1 })];
    expect(first).toEqual(again);
    expect(first).not.toEqual(other);
    for (const [query, texts] of first) {
      expect(texts).toHaveLength(3);
      expect(texts).toEqual(candidates.get(query)!.filter((text) => texts.includes(text)));
    }
  });
});

describe("relevance", () => {
  it("has each text once, with all positives of an anchor", () => {
    const pairs = [
      { anchor: "a", positive: "x" },
      { anchor: "b", positive: "y" },
      { anchor: "a", positive: "y" },
      { anchor: "a", positive: "x" },
    ];
    expect(relevanceOf(pairs, ["z", "y", "z"])).toEqual({
      queries: ["a", "b"],
      documents: ["x", "y", "z"],
      relevant: [[0, 1], [1]],
    });
  });
});

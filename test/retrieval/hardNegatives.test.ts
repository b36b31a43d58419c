import { describe, expect, it } from "vitest";
import { hardNegatives, type NegativeOptions, relevanceOf } from "../../src/retrieval/index.js";
import { golden } from "./golden.js";

const DEFAULTS: NegativeOptions = { numNegatives: 3, rangeMin: 0, samplingStrategy: "top", seed: 0 };

const { vectors, pairs, corpus, cases } = golden.mining;
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
  it.each(cases)("match sentence-transformers with $settings", async ({ settings, negatives }) => {
    const options = Object.fromEntries(Object.entries(settings).map(([name, value]) => [camelCase(name), value]));
    const found = await mined(options);
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
    const all = await mined({});
    const [first, second, third] = all.get("q2")!;
    const place = relevance.queries.indexOf("q2");
    const excluded = relevance.queries.map((_, i) => new Set(i === place ? [relevance.documents.indexOf(first!)] : []));
    const others = await mined({}, excluded);
    expect(others.get("q2")).toEqual([second, third, expect.any(String)]);
    expect(others.get("q4")).toEqual(all.get("q4"));
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

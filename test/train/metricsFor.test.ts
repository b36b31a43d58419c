import { describe, expect, it } from "vitest";
import { namedDatasets } from "../../src/data/named.js";
import { metricsFor } from "../../src/train/metricsFor.js";

const two = { labels: ["no", "yes"] };
const ids = { references: [1, 1, 0, 0], predictions: [1, 0, 0, 0] };

describe("metricsFor", () => {
  it.each([
    ["glue/cola", { matthewsCorrelation: 1 / Math.sqrt(3) }],
    ["glue/mrpc", { accuracy: 0.75, f1: 2 / 3 }],
    ["glue/qqp", { accuracy: 0.75, f1: 2 / 3 }],
    ["glue/sst2", { accuracy: 0.75 }],
    ["glue/mnli", { accuracy: 0.75 }],
    ["glue/qnli", { accuracy: 0.75 }],
    ["glue/rte", { accuracy: 0.75 }],
    [undefined, { accuracy: 0.75, f1: 2 / 3 }],
  ] as const)("of a set of two labels, named %s", (name, expected) => {
    const set = metricsFor("sequence-classification", { ...two, metrics: name && namedDatasets[name].metrics });
    const found = set.compute(ids);
    expect(Object.keys(found)).toEqual(Object.keys(expected));
    for (const [key, value] of Object.entries(expected)) expect(found[key]).toBeCloseTo(value, 12);
    expect([set.main, set.goal]).toEqual([Object.keys(expected)[0], "maximize"]);
  });

  it("gives the same F1 in whatever order the labels stand", () => {
    const turned = { references: [0, 0, 1, 1], predictions: [0, 1, 1, 1] };
    const f1 = (labels: readonly string[], rows: typeof ids) =>
      metricsFor("sequence-classification", { labels }).compute(rows).f1;
    for (const [first, second] of [
      ["no", "yes"],
      ["0", "1"],
      ["-1", "1"],
      ["9", "10"],
    ] as const) {
      expect(f1([first, second], ids)).toBeCloseTo(2 / 3, 12);
      expect(f1([second, first], turned)).toBeCloseTo(2 / 3, 12);
    }
  });

  it("takes the mean F1 of all classes where there are more than two", () => {
    const set = metricsFor("sequence-classification", { labels: ["a", "b", "c"] });
    expect(set.compute(ids)).toEqual({ accuracy: 0.75, macroF1: (2 / 3 + 4 / 5) / 2 });
  });

  it("judges numbers by their distance, STS-B by correlation", () => {
    const numbers = { references: [1, 2, 3], predictions: [2, 4, 6] };
    const general = metricsFor("regression", { labels: [] });
    expect([general.main, general.goal]).toEqual(["meanSquaredError", "minimize"]);
    expect(Object.keys(general.compute(numbers))).toEqual(["meanSquaredError", "pearson", "spearman"]);
    const stsb = metricsFor("regression", { labels: [], metrics: namedDatasets["glue/stsb"].metrics });
    expect([stsb.main, stsb.goal]).toEqual(["pearson", "maximize"]);
    expect(Object.keys(stsb.compute(numbers))).toEqual(["pearson", "spearman"]);
  });

  it("looks for entities only where the labels mark some", () => {
    const entities = metricsFor("token-classification", { labels: ["O", "B-DNA", "I-DNA"] });
    const rows = { references: [["B-DNA", "I-DNA", "O"]], predictions: [["B-DNA", "O", null]] };
    expect(entities.main).toBe("f1");
    expect(entities.compute(rows)).toEqual({ accuracy: 1 / 3, precision: 0, recall: 0, f1: 0 });
    // Of two kinds of entities the rows together count, not the mean over kinds.
    const kinds = metricsFor("token-classification", { labels: ["O", "B-DNA", "B-RNA"] });
    const several = {
      references: [["B-DNA", "O", "B-DNA", "O", "B-RNA"]],
      predictions: [["B-DNA", "O", "B-DNA", "O", "O"]],
    };
    expect(kinds.compute(several)).toMatchObject({ precision: 1, recall: 2 / 3, f1: 0.8 });
    expect(metricsFor("token-classification", { labels: ["O", "B-DNA", "NOUN"] }).main).toBe("accuracy");
    const parts = metricsFor("token-classification", { labels: ["NOUN", "VERB"] });
    expect(parts.compute({ references: [["NOUN", "VERB"]], predictions: [["NOUN", "NOUN"]] })).toEqual({
      accuracy: 0.5,
    });
  });

  it("covers label sets, and leaves language models to the loss", () => {
    const sets = metricsFor("multi-label-classification", two);
    const rows = {
      references: [
        [1, 0],
        [0, 1],
      ],
      predictions: [
        [1, 0],
        [1, 1],
      ],
    };
    expect(sets.main).toBe("microF1");
    expect(sets.compute(rows)).toEqual({ microF1: 0.8, macroF1: (2 / 3 + 1) / 2, subsetAccuracy: 0.5 });
    const language = metricsFor("causal-lm", { labels: [] });
    expect([language.main, language.goal, language.compute(undefined)]).toEqual(["loss", "minimize", {}]);
  });
});

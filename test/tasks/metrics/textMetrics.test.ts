import { describe, expect, it } from "vitest";
import { golden, measured } from "../../../packages/text-metrics/test/golden.js";
import { bleu, cider, meteor, nist, rougeL, textScores } from "../../../src/tasks/metrics/index.js";

describe("the scores of the E2E challenge", () => {
  it.each(golden.corpora)("of $name", ({ rows, bleu: b, nist: n, meteor: m, rougeL: r, cider: c }) => {
    const scores = textScores().result(measured(textScores(), rows));
    expect(Object.keys(scores)).toStrictEqual(["bleu", "nist", "meteor", "rougeL", "cider"]);
    for (const [name, value] of Object.entries({ bleu: b, nist: n, meteor: m, rougeL: r, cider: c })) {
      expect(scores[name]).toBeCloseTo(value, 11);
    }
  });

  it("are those of the five metrics, also over a sample", () => {
    const rows = golden.corpora[1]!.rows;
    const sample = [3, 3, 7, 0, 15];
    const each = [bleu(), nist(), meteor(), rougeL(), cider()].map((metric) => {
      const all = measured<unknown>(metric, rows);
      return (metric as { result(some: unknown[], corpus: unknown[]): object }).result(
        sample.map((row) => all[row]),
        all,
      );
    });
    const all = measured(textScores(), rows);
    const found = textScores().result(
      sample.map((row) => all[row]!),
      all,
    );
    expect(found).toStrictEqual(Object.assign({}, ...each));
    expect(found).not.toStrictEqual(textScores().result(sample.map((row) => all[row]!)));
  });

  it("compute corpus statistics once for any number of samples", () => {
    const scores = textScores();
    const corpus = measured(scores, golden.corpora[1]!.rows);
    let asked = 0;
    for (const row of corpus) {
      // CIDEr is the last of the five.
      const cider = row.at(-1) as { references: unknown };
      const known = cider.references;
      Object.defineProperty(cider, "references", {
        get() {
          asked++;
          return known;
        },
      });
    }
    scores.result(corpus.slice(0, 5), corpus);
    const first = asked;
    for (let sample = 0; sample < 20; sample++) scores.result(corpus.slice(0, 5), corpus);
    expect([first > 0, asked]).toStrictEqual([true, first]);
  });

  it("reject rows without references, and no rows", () => {
    expect(() => textScores().measure([], "a", 7)).toThrow(/reference in row 7/);
    expect(() => textScores().result([])).toThrow(/at least one row/);
  });
});

import { readFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { TOPICS } from "../../../src/app/quickstart/topics.js";
import { wordsMetrics, wordsScores } from "../../../src/app/quickstart/words.js";

interface Case {
  readonly texts: string[];
  readonly classes: number[];
  readonly unseen: string[];
  readonly scores: number[][];
}
const FILE = join(import.meta.dirname, "../../golden/quickstart/words.json");
const cases = Object.entries(JSON.parse(readFileSync(FILE, "utf8")) as Record<string, Case>);

test.each(cases)("%s classes: the scores are scikit-learn's", (_, { texts, classes, unseen, scores }) => {
  const found = wordsScores(texts, classes, unseen);
  // Intercepts can all be moved by the same amount.
  for (const [row, expected] of scores.entries())
    for (const [c, value] of found[row]!.entries())
      expect(value - found[row]![0]!).toBeCloseTo(expected[c]! - expected[0]!, 6);
});

test("its metrics on the quickstart's messages", async () => {
  const { accuracy, f1 } = await wordsMetrics(TOPICS.messages.run);
  expect(accuracy).toBeCloseTo(0.967, 6);
  expect(f1).toBeCloseTo(0.8533, 4);
});

import { expect, test } from "vitest";
import { TASKS, type Task } from "../../src/tasks/index.js";

const names = ["a", "b", "c"];
const LN9 = Math.log(9);

test.each([
  ["a right label", "sequence-classification", { label: "b", score: 0.7 }, 1, undefined],
  ["a wrong label", "sequence-classification", { label: "b", score: 0.7 }, 2, 0.7],
  ["a wrong label without a probability", "sequence-classification", { label: "b" }, 0, 1],
  ["right labels", "multi-label-classification", { labels: ["b"], scores: [0.1, 0.9, 0.2] }, [0, 1, 0], undefined],
  ["a label too many", "multi-label-classification", { labels: ["b"], scores: [0.1, 0.9, 0.2] }, [0, 0, 0], 0.9],
  ["a missing label", "multi-label-classification", { labels: ["b"], scores: [0.1, 0.9, 0.2] }, [0, 1, 1], 0.8],
  ["the surer of two", "multi-label-classification", { labels: ["b"], scores: [0.05, 0.9, 0.2] }, [1, 0, 0], 0.95],
  ["labels without probabilities", "multi-label-classification", { labels: [] }, [1, 0, 0], 1],
  [
    "right words",
    "token-classification",
    {
      labels: ["a", "b"],
      logits: [
        [LN9, 0],
        [0, 0],
      ],
    },
    ["a", "b"],
    undefined,
  ],
  [
    "a wrong word",
    "token-classification",
    {
      labels: ["a", "b"],
      logits: [
        [LN9, 0],
        [0, 0],
      ],
    },
    ["b", "b"],
    0.9,
  ],
  [
    "the surest of wrong words",
    "token-classification",
    {
      labels: ["a", "a"],
      logits: [
        [0, 0],
        [LN9, 0],
      ],
    },
    ["b", "b"],
    0.9,
  ],
  ["a word without tokens", "token-classification", { labels: ["a", null], logits: [[LN9, 0], null] }, ["a", "b"], 0],
  ["words without probabilities", "token-classification", { labels: ["a"] }, ["b"], 1],
] as const)("how sure a wrong prediction was: %s", (_, kind, prediction, reference, expected) => {
  const found = (TASKS[kind] as Task).mistake!(prediction, reference, names);
  if (expected === undefined) expect(found).toBeUndefined();
  else expect(found).toBeCloseTo(expected, 12);
});

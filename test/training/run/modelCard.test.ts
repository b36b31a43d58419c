import { expect, test } from "vitest";
import type { RowCounts } from "../../../src/base/records/index.js";
import { type RunSettings, resolveRun } from "../../../src/tasks/config/index.js";
import { renderModelCard } from "../../../src/training/run/artifacts.js";

const cardOf = (
  settings: RunSettings,
  labels: readonly string[] = [],
  rows: RowCounts = { train: 1 },
  hasBest = true,
): string =>
  renderModelCard({
    config: resolveRun({ model: "M", task: "sequence-classification", train: "t.csv", ...settings }),
    isForPeft: true,
    positiveLabel: undefined,
    labels,
    rows,
    parameters: { total: 2, trained: 1 },
    metrics: { accuracy: 1 },
    hasBest,
    versions: { bidora: "1", node: "1", libtorch: "1", onednn: "1", blas: "1" } as never,
    machine: { processor: "p", threads: 1 } as never,
  });

test("a model card escapes a label's control characters", () => {
  const card = cardOf({}, ["a\u001b[31m", "b\u009b1m"]);
  expect(card).toContain("`a\\x1b[31m`, `b\\x9b1m`");
  // biome-ignore lint/suspicious/noControlCharactersInRegex: these are what is looked for
  expect(card).not.toMatch(/[\u001b\u009b]/);
});

test("a model card says if validation rows were used for selection", () => {
  const sentences =
    /Early stopping kept the state that was best on the validation rows: their metrics were used for selection/;
  const early = { earlyStopping: 2, evalEvery: 5 };
  expect(cardOf(early)).toMatch(sentences);
  expect(cardOf({ evalEvery: 5 })).not.toMatch(sentences);
  expect(cardOf({ ...early, holdoutFraction: 0.2 })).not.toMatch(sentences);
  expect(cardOf(early, [], { train: 1 }, false)).not.toMatch(sentences);
});

test("a model card describes a search with non-default settings", () => {
  const sentences = [/each of 5 folds/, /after 3 passes over/, /started from what the lower level/];
  const which = (settings: RunSettings) => sentences.map((sentence) => sentence.test(cardOf(settings)));
  expect(which({ method: "bidora" })).toEqual([false, false, false]);
  expect(which({ method: "bidora", searchFolds: 5 })).toEqual([true, false, false]);
  expect(which({ method: "bidora", searchPatience: 3, warmStart: true })).toEqual([false, true, true]);
  expect(which({ method: "dora", searchFolds: 5, searchPatience: 3, warmStart: true })).toEqual([false, false, false]);
});

test("a model card names what an upper level trained, and its rows", () => {
  const card = cardOf({ method: "lora", upper: "head" }, [], { train: 30, upper: 8, validation: 4 });
  expect(card).toContain("30 training rows, 8 rows of the upper level, 4 validation rows.");
  expect(card).toContain("A search trained `head` in an upper level (`--upper head`)");
  expect(cardOf({ method: "lora" })).not.toContain("upper");
});

test("a model card names each tag once", () => {
  expect(cardOf({ method: "lora" })).toContain("tags:\n  - bidora\n  - lora\n---");
  expect(cardOf({ method: "bidora" })).toContain("tags:\n  - bidora\n---");
});

test("a model card says how the base is packed, and that an adapter of LoftQ needs it so", () => {
  const sentence = "The base model has to be packed as nf4, in every program";
  expect(cardOf({ baseDtype: "float32" })).toContain("predict --model M --adapter .");
  const packed = cardOf({ baseDtype: "nf4" });
  expect(packed).toContain("predict --model M --base-dtype nf4 --adapter .");
  expect(packed).not.toContain(sentence);
  expect(cardOf({ baseDtype: "nf4", initLoraWeights: "loftq" })).toContain(sentence);
});

import { describe, expect, it } from "vitest";
import { type RunSettings, resolveRun } from "../../../src/tasks/config/index.js";
import { withSubsets } from "../../../src/tasks/datasets/index.js";
import { searchBatches } from "../../../src/training/loop/batches.js";
import { nestedNotes } from "../../../src/training/run/nestedNotes.js";

const task = { peftTaskType: "SEQ_CLS" };
const TEXTS = ["it is a good film , all in all", "a good film , all in all", "good film , all in all", "good", "bad"];

/** Ten times the first three, whose texts stand in each other, with a number in front; and many short texts. */
const examples = [
  ...Array.from({ length: 10 }, (_, i) => TEXTS.map((text) => text.replaceAll(/\w+/g, (word) => `${word}${i}`))).flat(),
  ...Array.from({ length: 50 }, (_, i) => `row ${i}`),
].map((text, line) => ({ input: [text], label: "x", at: { file: "f", line } }));

const split = (settings: RunSettings) => {
  const config = resolveRun({ model: "m", method: "lora", seed: 1, ...settings });
  const train = { examples, labelNames: undefined };
  const splits = withSubsets({ train, validation: undefined, test: undefined }, config, task);
  return { splits, config, notes: nestedNotes(splits, config, task) };
};

const textsIn = (rows: readonly { readonly input: unknown }[] = []) => rows.map(({ input }) => (input as [string])[0]);
const longIn = (rows: readonly string[]) => rows.filter((text) => text.split(" ").length >= 4);
const numbersIn = (rows: readonly string[]) => new Set(longIn(rows).map((text) => /\d+/.exec(text)![0]));

describe("held-out rows that stand in rows that are trained on", () => {
  it("are counted, with the option that keeps them together", () => {
    const { notes } = split({ holdoutFraction: 0.2 });
    expect(notes).toEqual([
      expect.stringMatching(
        /^\d+ of the 20 \([\d.]+ %\) held-out rows are equal to .* --holdout-groups keeps such rows together\.$/,
      ),
    ]);
    expect(split({}).notes).toEqual([]);
  });

  it("are on the side of those rows with --holdout-groups, except texts of few words", () => {
    const { splits, notes } = split({ holdoutFraction: 0.2, holdoutGroups: true });
    const [kept, held] = [textsIn(splits.train.examples), textsIn(splits.holdout!.examples)];
    expect(held).toHaveLength(20);
    expect([...numbersIn(held)].filter((number) => numbersIn(kept).has(number))).toEqual([]);
    expect(numbersIn(held).size).toBeGreaterThan(0);
    expect(notes).toEqual([
      expect.stringMatching(
        /^--holdout-groups found 80 groups in 100 training rows, the largest of 3 rows; 20 of the 100 \(20 %\) rows are held out\./,
      ),
    ]);
    expect(split({ holdoutFraction: 0.2, holdoutGroups: 7 }).notes[0]).toContain("found 90 groups");
    expect(split({ holdoutFraction: 0.02, holdoutGroups: true }).notes[0]).toContain(
      "the largest of 3 rows, which is more than are held out, so it is trained on; 2 of the 100 (2 %)",
    );
  });

  it("are on one level of BiDoRA's search, which takes the rows that early stopping holds out", () => {
    const { splits, config, notes } = split({
      method: "bidora",
      searchFraction: 0.8,
      holdoutGroups: true,
      batchSize: 1,
    });
    expect(notes[0]).toContain("20 of the 100 (20 %) rows are the upper level's.");
    const encoded = splits.train.examples.map(({ at }) => ({ inputIds: [1], at, target: 0 }) as never);
    const { upper } = searchBatches(encoded, { ...config, groups: splits.groups });
    const lines = (rows: readonly { readonly at: { readonly line: number } }[]) =>
      rows.map(({ at }) => at.line).sort((a, b) => a - b);
    const batches = upper.upcoming();
    const taken = Array.from({ length: 20 }, () => batches.next().value as readonly (typeof examples)[number][]).flat();
    const early = split({ holdoutFraction: 0.2, holdoutGroups: true });
    expect(lines(taken)).toEqual(lines(early.splits.holdout!.examples as typeof examples));
    const ofSeeds = (seeds: RunSettings) =>
      split({ method: "bidora", searchFraction: 0.8, holdoutGroups: 6, ...seeds }).notes;
    const drawn = [1, 2, 3, 4].map((dataSeed) => ofSeeds({ dataSeed }));
    expect(new Set(drawn.map((one) => one.join())).size).toBeGreaterThan(1);
    for (const [i, found] of drawn.entries()) expect(found).toEqual(ofSeeds({ seed: i + 1 }));
    const folds = split({ method: "bidora", searchFolds: 3, holdoutGroups: true });
    expect(folds.notes[0]).toContain("the folds are as equal as these allow");
    const ungrouped = searchBatches(encoded, config).upper.upcoming();
    const others = Array.from({ length: 20 }, () => ungrouped.next().value as typeof taken).flat();
    expect(lines(others)).not.toEqual(lines(taken));
  });
});

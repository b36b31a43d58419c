import { readFileSync, writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import { compare } from "../../../src/app/commands/compare.js";
import { comparisonFile, fresh, SMALL, write } from "../support.js";

test("two tasks of a comparison with the same rows and settings count once, and a note says so", async () => {
  const copy = write("copy.jsonl", readFileSync(SMALL.train));
  const file = comparisonFile("maxSteps: 2", "batchSize: 4", "learningRate: 0.01", "dtype: float32", "threads: 1");
  writeFileSync(
    file,
    `${readFileSync(file, "utf8").replace(/^task:.*$/m, "")}
tasks:
  - {name: one, task: sequence-classification}
  - {name: copy, task: sequence-classification, train: ${copy}}
`,
  );
  const outcome = await compare({ methods: ["lora", "bitfit"], seeds: [0, 1], output: fresh(), runFile: file });
  if (outcome.kind !== "compared") throw new Error(outcome.kind);
  const share = ["training rows", "evaluated rows"];
  expect(outcome.result.rowGroups).toEqual([{ tasks: ["one", "copy"], share }]);
  expect(outcome.result.tests.filter(({ task }) => task === undefined)).toEqual([
    expect.objectContaining({ pairs: 2, joined: [{ tasks: ["one", "copy"], share, repeated: ["copy"] }] }),
  ]);
  const text = outcome.text.replaceAll(/\s+/g, " ");
  expect(text).toContain(
    "one and copy share training rows and evaluated rows, so their pairs with one seed count as one pair",
  );
  expect(text).toContain("The runs of lora and bitfit on copy repeat those on another of these tasks, and count once");
}, 100_000);

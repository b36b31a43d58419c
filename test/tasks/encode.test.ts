import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { type Example, labelMap } from "../../src/tasks/data/index.js";
import { batchOf, encodeExamples, lossWeight, TASKS, type Task, type TaskKind } from "../../src/tasks/index.js";
import { loadTokenizer } from "../../src/text/index.js";

const tokenizer = (name: string) => loadTokenizer(fileURLToPath(new URL(`../golden/text/${name}`, import.meta.url)));
const at = { file: "rows.jsonl", line: 3 };

function text(label: unknown, ...input: [string] | [string, string]): Example {
  return { input, label, at: { ...at } };
}

async function encode(examples: Example[], kind: TaskKind, { name = "bert-uncased", maxLength = 32 } = {}) {
  const task: Task = TASKS[kind];
  const isLabeled = examples.some(({ label }) => label !== undefined);
  const labels = task.outputs || !isLabeled ? undefined : labelMap(examples);
  return encodeExamples(task, examples, await tokenizer(name), { labels, maxLength });
}

describe("rows of texts", () => {
  it("texts become token ids and a label id", async () => {
    const rows = await encode([text("b", "the cat"), text("a", "the cat", "sat")], "sequence-classification");
    expect(rows.map((row) => row.target)).toEqual([1, 0]);
    const batch = batchOf(rows);
    expect(batch.examples).toBe(rows);
    expect(batch.layout.lengths).toEqual(rows.map((row) => row.inputIds.length));
    expect(batch.layout.cuSeqlens.toArray()).toEqual([0, 4, 4 + rows[1]!.inputIds.length]);
    expect(batch.inputIds.toArray()).toEqual(rows.flatMap((row) => row.inputIds));
    expect(batch.tokenTypeIds.toArray()).toEqual(rows.flatMap((row) => row.tokenTypeIds));
    expect(batch.positionIds.toArray()).toEqual(rows.flatMap((row) => row.inputIds.map((_, i) => i)));
    expect(rows[1]?.tokenTypeIds.at(-1)).toBe(1);
    expect(batch.inputIds.numel).toBe(4 + rows[1]!.inputIds.length);
    expect(lossWeight(TASKS["sequence-classification"] as Task, batch)).toBe(2);
  });

  it("multi-label rows have 0 or 1 for each label", async () => {
    const rows = await encode([text(["c", "a"], "x"), text([], "y"), text(["b"], "z")], "multi-label-classification");
    expect(rows.map((row) => row.target)).toEqual([
      [1, 0, 1],
      [0, 0, 0],
      [0, 1, 0],
    ]);
  });

  it("regression rows have a number, or no target", async () => {
    const rows = await encode([text(2.5, "x"), text(undefined, "x")], "regression");
    expect(rows.map((row) => row.target)).toEqual([2.5, undefined]);
  });

  it("errors name rows that do not fit the task or have no tokens", async () => {
    await expect(encode([text("high", "x")], "regression")).rejects.toThrow(
      'rows.jsonl line 3: the label "high" does not fit the task, which takes a number',
    );
    await expect(encode([text(undefined, "")], "regression", { name: "gpt2" })).rejects.toThrow(
      "line 3: the text has no token",
    );
    expect((await encode([text(undefined, "")], "regression"))[0]?.inputIds.length).toBe(2);
  });
});

describe("rows of words", () => {
  const words: Example = { input: ["the", "", "tangling-tangling", "cat"], label: ["D", "O", "V", "N"], at };
  type Row = { wordStarts: readonly number[]; target: readonly number[]; reference: readonly string[] };

  it("a word's label is at its first sub-word", async () => {
    const [row] = await encode([words], "token-classification");
    const { wordStarts, target, reference } = row as unknown as Row;
    expect(reference).toEqual(["D", "O", "V", "N"]);
    expect(wordStarts[1]).toBe(-1);
    const labeled = target.flatMap((value, i) => (value === -100 ? [] : [[i, value]]));
    expect(labeled).toEqual([
      [wordStarts[0], 0],
      [wordStarts[2], 3],
      [wordStarts[3], 1],
    ]);
    expect(target.length).toBe(row?.inputIds.length);
    expect(lossWeight(TASKS["token-classification"] as Task, batchOf([row!, row!]))).toBe(6);
  });

  it("a sentence that is longer than a row is continued in further rows without losing words", async () => {
    const input = Array.from({ length: 1000 }, (_, i) => ["the", "tangling-tangling", "cat", ""][i % 4] as string);
    const label = input.map((_, i) => ["D", "V", "N", "O"][i % 4]);
    const example: Example = { input, label, at: { ...at } };
    const rows = await encode([example, words], "token-classification", { maxLength: 64 });
    const [whole] = await encode([example], "token-classification", { maxLength: 1e9 });
    const own = rows.slice(0, -1) as unknown as (Row & (typeof rows)[number])[];
    expect(own.every((row) => row.at === example.at && row.inputIds.length <= 64)).toBe(true);
    expect(own.every(({ reference }) => reference.length === 1000)).toBe(true);
    const inner = <T>(list: readonly T[]) => list.slice(1, -1);
    expect(own.flatMap(({ inputIds }) => inner(inputIds))).toEqual(inner(whole?.inputIds ?? []));
    const wholeTarget = (whole as unknown as Row).target;
    expect(own.flatMap(({ target }) => inner(target))).toEqual(inner(wholeTarget));
    expect(own.flatMap(({ source }) => source)).toEqual(input);
    expect(lossWeight(TASKS["token-classification"] as Task, batchOf(own))).toBe(750);
  });

  it("a row must have room for one token", async () => {
    await expect(encode([words], "token-classification", { maxLength: 2 })).rejects.toThrow(
      "The maximum length must be a whole number above 2",
    );
  });
});

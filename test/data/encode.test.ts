import { fileURLToPath } from "node:url";
import { describe, expect, it } from "vitest";
import { collate, type Example, encodeExamples, labelMap, type TaskKind } from "../../src/data/index.js";
import { loadTokenizer } from "../../src/text/index.js";

const tokenizer = (name: string) => loadTokenizer(fileURLToPath(new URL(`../golden/text/${name}`, import.meta.url)));
const at = { file: "rows.jsonl", line: 3 };

function text(label: string | number | readonly string[] | undefined, ...texts: [string] | [string, string]): Example {
  return { kind: "text", texts, label, at };
}

async function encode(examples: Example[], task: TaskKind, { name = "bert-uncased", maxLength = 32 } = {}) {
  const labels = task === "regression" || task === "causal-lm" ? undefined : labelMap(examples);
  return encodeExamples(examples, await tokenizer(name), { task, labels, maxLength });
}

describe("rows of texts", () => {
  it("become ids and a class", async () => {
    const rows = await encode([text("b", "the cat"), text("a", "the cat", "sat")], "sequence-classification");
    expect(rows.map((row) => row.label)).toEqual([1, 0]);
    const batch = collate(rows, "sequence-classification");
    expect(batch).toEqual({
      rows: 2,
      lengths: rows.map((row) => row.ids.length),
      ids: Int32Array.from(rows.flatMap((row) => row.ids)),
      typeIds: Int32Array.from(rows.flatMap((row) => row.typeIds)),
      positions: Int32Array.from(rows.flatMap((row) => row.ids.map((_, i) => i))),
      labels: { task: "sequence-classification", classes: Int32Array.of(1, 0) },
    });
    expect(batch.typeIds.at(-1)).toBe(1);
  });

  it("have 0 or 1 for each of several labels", async () => {
    const rows = await encode([text(["c", "a"], "x"), text([], "y"), text(["b"], "z")], "multi-label-classification");
    expect(collate(rows, "multi-label-classification").labels).toEqual({
      task: "multi-label-classification",
      targets: Float32Array.of(1, 0, 1, 0, 0, 0, 0, 1, 0),
    });
  });

  it("have a number, or nothing", async () => {
    const scores = await encode([text(2.5, "x")], "regression");
    expect(collate(scores, "regression").labels).toEqual({ task: "regression", targets: Float32Array.of(2.5) });
    expect(
      collate(await encode([text(undefined, "x"), text(1, "x")], "regression"), "regression").labels,
    ).toBeUndefined();
    expect(collate(await encode([text(undefined, "x")], "causal-lm"), "causal-lm").labels).toBeUndefined();
  });

  it("that don't fit the task, or have no token, are named", async () => {
    await expect(encode([text("high", "x")], "regression")).rejects.toThrow(
      'rows.jsonl line 3: the label "high" does not fit',
    );
    await expect(encode([text("a", "x")], "token-classification")).rejects.toThrow("takes a text split into words");
    await expect(encode([text(undefined, "")], "causal-lm", { name: "gpt2" })).rejects.toThrow(
      "line 3: the text gives no token",
    );
    expect((await encode([text(undefined, "")], "causal-lm"))[0]?.ids.length).toBe(2);
  });
});

describe("rows of words", () => {
  const words: Example = {
    kind: "words",
    tokens: ["the", "", "tangling-tangling", "cat"],
    labels: ["D", "O", "V", "N"],
    at,
  };

  it("are labelled at first sub-words", async () => {
    const [row] = await encode([words], "token-classification");
    const { ids, wordStarts, wordLabels, label } = row!;
    expect(wordLabels).toEqual([0, 2, 3, 1]);
    expect(wordStarts?.[1]).toBe(-1);
    const labelled = (label as readonly number[]).flatMap((value, i) => (value === -100 ? [] : [[i, value]]));
    expect(labelled).toEqual([
      [wordStarts?.[0], 0],
      [wordStarts?.[2], 3],
      [wordStarts?.[3], 1],
    ]);
    expect((label as readonly number[]).length).toBe(ids.length);
    expect(collate([row!], "token-classification").labels).toEqual({
      task: "token-classification",
      classes: Int32Array.from(label as readonly number[]),
    });
  });

  it("keep the labels of words that were cut off", async () => {
    const [row] = await encode([words], "token-classification", { maxLength: 5 });
    expect(row?.ids.length).toBe(5);
    expect(row?.wordStarts?.at(-1)).toBe(-1);
    expect(row?.wordLabels?.length).toBe(4);
  });
});

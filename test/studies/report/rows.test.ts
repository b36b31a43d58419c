import { mkdtemp, rm, writeFile } from "node:fs/promises";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { afterEach, beforeEach, describe, expect, it } from "vitest";
import type { PredictedRow } from "../../../src/base/records/predictions.js";
import { readRun } from "../../../src/base/records/runLog.js";
import { renderReport } from "../../../src/studies/report/renderReport.js";
import { all, parse, texts } from "./page.js";
import { sampleRun } from "./sampleRuns.js";

const run = sampleRun({ name: "run", method: "lora", steps: 10 });

type RowFacts = Pick<PredictedRow, "reference" | "prediction"> & { readonly text?: string };

const page = (labels: readonly string[], rows: readonly RowFacts[], broken = 0) => {
  const judged = rows.map((row, i) => ({ file: "/data/dev.tsv", line: i + 1, text: `text ${i + 1}`, ...row }));
  const split = { split: "validation" as const, rows: judged, broken };
  return parse(renderReport([{ ...run, predictions: { labels, splits: [split] } }]));
};

const classRow = (reference: number, label: string, score = 0.9): RowFacts => ({
  reference,
  prediction: { label, score },
});

describe("rows of one class", () => {
  const rows = [
    classRow(0, "no"),
    classRow(0, "yes", 0.6),
    classRow(0, "yes", 0.8),
    classRow(1, "yes"),
    classRow(1, "yes"),
  ];
  const found = page(["no", "yes"], rows);

  it("a class task has scores by class and a confusion matrix with one row for each true class", () => {
    expect(texts(found, "#classes table:not(.matrix) tbody tr")).toEqual(["no1.0000.3330.5003", "yes0.5001.0000.6672"]);
    expect(texts(found, ".matrix thead th")).toEqual(["no", "yes"]);
    expect(texts(found, ".matrix tbody tr")).toEqual(["no12", "yes02"]);
    expect(all(found, ".matrix td.right").map(({ textContent }) => textContent)).toEqual(["1", "2"]);
  });

  it("wrong rows are listed with their texts, the most confident first", () => {
    expect(texts(found, ".rows .place")).toEqual(["dev.tsv line 3", "dev.tsv line 2"]);
    expect(texts(found, ".rows li")[0]).toBe("dev.tsv line 3text 3ReferencenoPredictionyesConfidence80.0 %");
  });

  it("at most twenty wrong rows are shown", () => {
    const many = Array.from({ length: 50 }, (_, i) => classRow(0, "yes", i / 50));
    expect(texts(page(["no", "yes"], many), ".rows .place")).toHaveLength(20);
    expect(texts(page(["no", "yes"], many), "#wrong-rows h3")).toEqual([
      "Wrong rows with the highest confidence among 50 validation rows",
    ]);
  });

  it("all rows may be right, or of one class", () => {
    const one = page(["no", "yes"], [classRow(0, "no"), classRow(0, "no")]);
    expect(all(one, "#wrong-rows")).toEqual([]);
    expect(texts(one, "#classes table:not(.matrix) tbody tr")).toEqual(["no1.0001.0001.0002", "yes0.0000.0000.0000"]);
    expect(texts(page(["only"], [classRow(0, "only")]), ".matrix tbody tr")).toEqual(["only1"]);
    expect(texts(page(["no", "yes"], []), "#classes")).toEqual([]);
  });

  it("with many classes the most frequent ones are shown, and the others are summed up", () => {
    const names = Array.from({ length: 115 }, (_, i) => `c${i}`);
    const rows = names.flatMap((name, i) => Array.from({ length: i < 100 ? i + 1 : 0 }, () => classRow(i, name)));
    const many = page(names, rows);
    expect(texts(many, "#classes table:not(.matrix) tbody th").slice(0, 2)).toEqual(["c99", "c98"]);
    expect(texts(many, "#classes table:not(.matrix) tbody th")).toHaveLength(20);
    expect(texts(many, ".matrix tbody th")).toHaveLength(12);
    const rest = (80 * 81) / 2;
    expect(texts(many, "#classes .note")).toEqual([
      `The 95 other classes come ${rest.toLocaleString("en-US")} times altogether; 15 of them never; mean F1 ${(80 / 95).toFixed(3)}.`,
      expect.stringMatching(/^The 12 most frequent of 115 classes; 3,916 rows /),
    ]);
  });

  it("labels and texts are escaped", () => {
    const evil = `</table><script>alert("1")</script>'&<img src=x onerror=alert(1)>`;
    const hostile = page([evil, "yes"], [{ ...classRow(0, "yes"), text: evil }, classRow(1, evil)]);
    expect(all(hostile, "script, img")).toEqual([]);
    expect(texts(hostile, ".rows p")).toContain(evil);
    expect(texts(hostile, ".matrix thead th")[0]).toBe(evil);
    expect(texts(hostile, ".rows dd")).toContain(evil);
  });

  it("rows with an unknown label are in no table", () => {
    expect(all(page(["no", "yes"], [classRow(2, "yes"), classRow(0, "maybe")]), "#classes")).toEqual([]);
    expect(all(page([], rows), "#classes, #wrong-rows")).toEqual([]);
  });

  it('labels such as "constructor" are ordinary names', () => {
    const found = page(["constructor", "__proto__"], [classRow(0, "__proto__"), classRow(1, "__proto__")]);
    expect(texts(found, ".matrix tbody tr")).toEqual(["constructor01", "__proto__01"]);
  });
});

describe("rows of other kinds", () => {
  it("several labels: a table of labels, and the rows with the most wrong labels", () => {
    const labels = ["a", "b", "c"];
    const found = page(labels, [
      { reference: [1, 0, 1], prediction: { labels: ["a"] } },
      { reference: [1, 1, 0], prediction: { labels: ["c"] } },
      { reference: [0, 0, 0], prediction: { labels: [] } },
    ]);
    expect(texts(found, "#classes tbody tr")).toEqual(["a1.0000.5000.6672", "b0.0000.0000.0001", "c0.0000.0000.0001"]);
    expect(texts(found, ".rows li").map((text) => text.slice(0, 14))).toEqual(["dev.tsv line 2", "dev.tsv line 1"]);
    expect(texts(found, ".rows li")[0]).toContain("Wrong labels3");
  });

  it("words: a table of entity types, or of labels without entities", () => {
    const words = { tokens: ["Ada", "met", "Bob"] };
    const tagged = page(
      ["O", "B-PER"],
      [{ reference: ["B-PER", "O", "B-PER"], prediction: { ...words, labels: ["B-PER", "O", "O"] } }],
    );
    expect(texts(tagged, "#classes tbody tr")).toEqual(["PER1.0000.5000.6672"]);
    expect(texts(tagged, ".rows dd")).toEqual(["Bob: B-PER", "Bob: O", "1 of 3"]);
    const parts = page(
      ["NOUN", "VERB"],
      [{ reference: ["NOUN", "VERB", "NOUN"], prediction: { ...words, labels: ["NOUN", "NOUN", null] } }],
    );
    expect(texts(parts, "#classes tbody tr")).toEqual(["NOUN0.5000.5000.5002", "VERB0.0000.0000.0001"]);
    expect(texts(parts, ".rows dd")[1]).toBe("met: NOUN, Bob: nothing");
  });

  it("numbers: the largest errors with their sign", () => {
    const rows = [
      [2, 2.5],
      [4, 1],
      [3, 3],
    ].map(([reference, value]) => ({ reference, prediction: { value } }));
    expect(texts(page(["value"], rows), ".rows dd")).toEqual(["4.000", "1.000", "−3.000", "2.000", "2.500", "0.5000"]);
  });

  it("texts: those least similar to any reference", () => {
    const found = page(
      [],
      [
        { reference: ["a cat sat", "the dog ran"], prediction: { text: "the dog ran" } },
        { reference: ["a cat sat"], prediction: { text: "nothing like it" } },
        { reference: ["a cat sat"], prediction: { text: "a cat stood" } },
      ],
    );
    expect(texts(found, ".rows .place")).toEqual(["dev.tsv line 2", "dev.tsv line 3"]);
    expect(texts(found, ".rows dd").slice(0, 3)).toEqual(["a cat sat", "nothing like it", "0.000"]);
  });

  it("answers, including rows without an answer", () => {
    const found = page(
      [],
      [
        { reference: [], prediction: { answer: "", score: 0.9 } },
        { reference: [], prediction: { answer: "Paris", score: 0.9 } },
        { reference: ["Rome"], prediction: { answer: "", score: 0.9 } },
      ],
    );
    expect(texts(found, ".rows .place")).toEqual(["dev.tsv line 2", "dev.tsv line 3"]);
    expect(texts(found, ".rows dd")).toEqual([
      "nothing",
      "Paris",
      "0.000",
      "90.0 %",
      "Rome",
      "nothing",
      "0.000",
      "90.0 %",
    ]);
  });

  it("token predictions: the texts with the highest loss per token", () => {
    const found = page(
      [],
      [
        { reference: undefined, prediction: { loss: 10, tokens: 10, correct: 1 } },
        { reference: undefined, prediction: { loss: 6, tokens: 2, correct: 1 } },
      ],
    );
    expect(texts(found, ".rows dd")).toEqual(["3.000 over 2 tokens", "1.000 over 10 tokens"]);
  });

  it.each([
    [
      "several labels",
      [
        { reference: [1, 1, 1], prediction: { labels: [], score: 0.6 } },
        { reference: [1, 0, 0], prediction: { labels: ["a", "c"], score: 0.9 } },
        { reference: [1, 0, 0], prediction: { labels: ["a"] } },
      ],
      "Wrong labels1Confidence90.0 %",
    ],
    [
      "words",
      [
        { reference: ["a", "b"], prediction: { tokens: ["x", "y"], labels: ["b", "a"], score: 0.5 } },
        { reference: ["a", "b"], prediction: { tokens: ["x", "y"], labels: ["a", null], score: 0.7 } },
        { reference: ["a", "b"], prediction: { tokens: ["x", "y"], labels: ["a", "b"] } },
      ],
      "Wrong words1 of 2Confidence70.0 %",
    ],
    [
      "answers",
      [
        { reference: ["red boat"], prediction: { answer: "tree", score: 0.2 } },
        { reference: ["red boat"], prediction: { answer: "boat", score: 0.95 } },
        { reference: ["red boat"], prediction: { answer: "red boat", score: 0.99 } },
      ],
      "Confidence95.0 %",
    ],
  ])("wrong rows are ranked by confidence where the file has one: %s", (_, rows, facts) => {
    const found = page(["a", "b", "c"], rows);
    expect(texts(found, ".rows .place")).toEqual(["dev.tsv line 2", "dev.tsv line 1"]);
    expect(texts(found, ".rows li")[0]).toContain(facts);
    expect(texts(found, "#wrong-rows h3")).toEqual(["Wrong rows with the highest confidence among 3 validation rows"]);
  });

  it("rows of a custom task are not shown", () => {
    expect(all(page([], [{ reference: { any: 1 }, prediction: { thing: 2 } }]), "#classes, #wrong-rows")).toEqual([]);
  });
});

it("the tables of several runs are collapsed under their names", () => {
  const split = {
    split: "test" as const,
    rows: [{ file: "f", line: 1, text: undefined, ...classRow(0, "yes") }],
    broken: 0,
  };
  const predictions = { labels: ["no", "yes"], splits: [split] };
  const found = parse(
    renderReport([
      { ...run, predictions },
      { ...run, name: "other", predictions },
    ]),
  );
  expect(texts(found, "#classes > details > summary")).toEqual(["run", "other"]);
  const labels = all(found, "[role=region]").map((region) => region.getAttribute("aria-label"));
  expect(new Set(labels).size).toBe(labels.length);
});

describe("a run's folder", () => {
  let folder: string;
  beforeEach(async () => {
    folder = await mkdtemp(join(tmpdir(), "run-"));
    await writeFile(join(folder, "events.jsonl"), run.events.map((event) => JSON.stringify(event)).join("\n"));
  });
  afterEach(() => rm(folder, { recursive: true }));

  const line = (value: object) => `${JSON.stringify({ file: "f", line: 1, ...value })}\n`;

  it("readRun returns rows with labels and counts invalid lines", async () => {
    await writeFile(join(folder, "bidora.json"), JSON.stringify({ labels: ["no", "yes"] }));
    await writeFile(join(folder, "test-predictions.jsonl"), `${line(classRow(0, "yes"))}{"torn\n[1]\n`);
    const { predictions } = await readRun(join(folder, "events.jsonl"));
    expect(predictions).toEqual({
      labels: ["no", "yes"],
      splits: [{ split: "test", rows: [{ file: "f", line: 1, text: undefined, ...classRow(0, "yes") }], broken: 2 }],
    });
    const found = parse(renderReport([await readRun(folder)]));
    expect(texts(found, "#wrong-rows .note")[1]).toBe(
      "2 lines of the test predictions can’t be read and are left out.",
    );
  });

  it("a run without predictions or valid metadata still has a report", async () => {
    await writeFile(join(folder, "bidora.json"), "{");
    expect((await readRun(folder)).predictions).toEqual({ labels: [], splits: [] });
    await writeFile(join(folder, "bidora.json"), JSON.stringify({ labels: [1] }));
    expect((await readRun(folder)).predictions).toEqual({ labels: [], splits: [] });
  });
});

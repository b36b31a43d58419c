import { mkdtempSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { describe, expect, it } from "vitest";
import { loadQuestions } from "../../../src/tasks/data/index.js";

const folder = mkdtempSync(join(tmpdir(), "bidora-squad-"));
const file = (name: string, text: string): string => {
  writeFileSync(join(folder, name), text);
  return join(folder, name);
};
const jsonl = (...rows: object[]) => file("rows.jsonl", rows.map((row) => JSON.stringify(row)).join("\n"));

const context = "a 😀 cat sat";
const answered = { question: "who", context, answers: { text: ["cat", "cat sat"], answer_start: [4, 4] } };

describe("rows of questions", () => {
  it("answers start at code points, and may be missing", async () => {
    const { examples, columns } = await loadQuestions(
      jsonl(answered, { ...answered, answers: { text: [], answer_start: [] } }),
    );
    expect(columns).toEqual({ text: ["question", "context"], label: ["answers"] });
    expect(examples.map(({ input, label }) => [input, label])).toEqual([
      [
        ["who", context],
        [
          { text: "cat", start: 4 },
          { text: "cat sat", start: 4 },
        ],
      ],
      [["who", context], []],
    ]);
  });

  it("answers can be a list, and columns can have other names", async () => {
    const path = jsonl({ q: "who", c: context, a: [{ text: "cat", answer_start: 4 }] });
    const { examples } = await loadQuestions(path, { textColumns: ["q", "c"], labelColumns: ["a"] });
    expect(examples[0]?.label).toEqual([{ text: "cat", start: 4 }]);
  });

  it("SQuAD's JSON is read, version 2 with unanswerable questions", async () => {
    const qas = [
      { id: "1", question: "who", answers: [{ text: "cat", answer_start: 4 }], is_impossible: false },
      { id: "2", question: "why", answers: [], is_impossible: true },
    ];
    const path = file(
      "dev-v2.0.json",
      JSON.stringify({ version: "v2.0", data: [{ title: "t", paragraphs: [{ context, qas }] }] }),
    );
    const { examples } = await loadQuestions(path);
    expect(examples.map(({ input, label }) => [input, label?.length])).toEqual([
      [["who", context], 1],
      [["why", context], 0],
    ]);
  });

  it("rows to predict need no answers", async () => {
    const path = jsonl({ question: "who", context }, answered);
    const { examples } = await loadQuestions(path, { labels: "optional" });
    expect(examples.map(({ label }) => label?.length)).toEqual([undefined, 2]);
    await expect(loadQuestions(path)).rejects.toThrow("1 of 2 rows has no label in the column answers (line 1)");
  });

  it.each([
    [{ text: ["cat"], answer_start: [5] }, 'line 1: the answer "cat" is not at character 5 of the context, which'],
    [{ text: ["cat"], answer_start: [-8] }, "is not at character -8"],
    [{ text: ["cat"], answer_start: [] }, "must hold answers"],
    [{ text: ["cat"] }, "must hold answers"],
    ["cat", "must hold answers"],
    [{}, '"answer_start": [numbers]}, but holds {}'],
    [null, "no row has a label in the column answers"],
  ])("errors name rows with answers %o", async (answers, message) => {
    await expect(loadQuestions(jsonl({ ...answered, answers }))).rejects.toThrow(message);
  });

  it("two columns of answers are refused", async () => {
    const labelColumns = ["answers", "more"];
    const rows = loadQuestions(jsonl({ ...answered, more: 1 }), { labelColumns });
    await expect(rows).rejects.toThrow("one label column, but 2 are named: answers, more");
  });

  it("a missing question or context column is refused", async () => {
    await expect(loadQuestions(jsonl(answered), { textColumns: ["context"] })).rejects.toThrow("names only context");
    await expect(loadQuestions(jsonl({ question: "who", text: "x" }))).rejects.toThrow();
  });
});

it.each([
  ["articles", { version: "1.1", data: [] }],
  ["paragraphs", { data: [{ title: "t", paragraphs: [] }] }],
  ["questions", { data: [{ paragraphs: [{ context, qas: [] }] }] }],
])("SQuAD's JSON without %s is refused in training and inference", async (_what, content) => {
  const path = file("empty.json", JSON.stringify(content));
  for (const labels of ["required", "optional"] as const)
    await expect(loadQuestions(path, { labels })).rejects.toThrow("its articles have no questions");
});

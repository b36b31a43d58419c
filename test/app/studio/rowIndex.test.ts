// What is known of each row of a file after one pass over it.
import { writeFileSync } from "node:fs";
import { expect, test } from "vitest";
import type { Flag } from "../../../src/app/studio/data/indexData.js";
import { linesOf } from "../../../src/app/studio/data/lines.js";
import { readIndex } from "../../../src/app/studio/data/readIndex.js";
import { readRows, writeWithRow } from "../../../src/app/studio/data/rowFile.js";
import { filterFrom, RowIndex } from "../../../src/app/studio/data/rowIndex.js";
import type { Reading } from "../../../src/app/studio/data/rowReader.js";
import { assignRows, countParts } from "../../../src/app/studio/data/splitRows.js";
import { freshPath } from "../../support/workFolder.js";

function written(text: string): string {
  const path = freshPath("rows.jsonl");
  writeFileSync(path, text);
  return path;
}

const CLASSES: Reading = { task: "sequence-classification", textColumns: ["text"], labelColumn: ["label"] };
const named = (path: string) => ({ path, name: "rows/rows.jsonl" });

async function indexOf(text: string, reading: Reading = CLASSES, others: readonly string[] = []) {
  const path = written(text);
  const files = others.map((other) => named(written(other)));
  const shares: number[] = [];
  const data = await readIndex({ kind: "index", file: named(path), reading, others: files }, (share) =>
    shares.push(share),
  );
  expect(shares.at(-1)).toBe(1);
  return { path, data, index: new RowIndex(data) };
}

const line = (text: unknown, label: unknown): string => `${JSON.stringify({ text, label })}\n`;

test("rows are found by their bytes, with a byte-order mark, CRLF, blank lines and no last line end", async () => {
  const texts = ["één", "zwei 🙂", "три", "four"];
  const rows = texts.map((text) => line(text, "a").trimEnd());
  const { path, data, index } = await indexOf(`\uFEFF${rows[0]}\r\n\n  \n${rows[1]}\r\n${rows[2]}\n\n${rows[3]}`);
  expect([...data.lines]).toEqual([1, 4, 5, 7]);
  const read = await readRows(path, index, [3, 0, 1, 2]);
  expect(read.map(({ text }) => text)).toEqual([rows[3], rows[0], rows[1], rows[2]]);
  expect(read.map(({ values, line }) => [values?.text, line])).toEqual([
    ["four", 7],
    ["één", 1],
    ["zwei 🙂", 4],
    ["три", 5],
  ]);
  expect(index.rowOfLine(5)).toBe(2);
  for (const none of [0, 2, 6, 8, Number.NaN]) expect(() => index.rowOfLine(none)).toThrow("has no row in line");
});

test("a line longer than what is read at once is one row", async () => {
  const long = "x".repeat(3 * 2 ** 20);
  const { path, index } = await indexOf(line("a", "a") + line(long, "b") + line("c", "c"));
  const [row] = await readRows(path, index, [1]);
  expect(row!.values!.text).toBe(long);
  expect(index.data.characters[1]).toBe(long.length);
  expect([...linesOf(path)].flatMap(({ numbers }) => numbers)).toEqual([1, 2, 3]);
});

test("duplicates, empty texts, leaks, refused rows and rows without a label are told apart", async () => {
  const others = [line("two", "x"), line("six words", "x")];
  const { index, data } = await indexOf(
    [
      line("one", "a"),
      line("one", "b"),
      line(" \u00a0", "a"),
      line("two", "a"),
      line("two", "a"),
      line("three", ""),
      `{"text": "no label"}\n`,
      line(4, "a"),
      "no JSON\n",
      "[1]\n",
      line("one ", "a"),
    ].join(""),
    CLASSES,
    others,
  );
  const rows = (flag: Flag) => [...index.rowsOf(flag)!];
  expect(rows("duplicate")).toEqual([1, 4]);
  expect([...data.first]).toEqual([0, 0, 2, 3, 3, 5, 6, 7, 8, 9, 10]);
  expect(rows("empty")).toEqual([2]);
  expect(rows("leaked")).toEqual([3, 4]);
  expect(rows("unlabeled")).toEqual([5, 6]);
  expect(rows("refused")).toEqual([7, 8, 9]);
  expect(data.fault).toBe("rows/rows.jsonl line 8: the column text must hold a string, but holds 4.");
  expect(index.countOf("all")).toBe(11);
});

test("a line that training can't read is refused with its sentence", async () => {
  const twice = '{"text": "b", "label": "x", "label": "y"}';
  const { path, index, data } = await indexOf(`${line("a", "x")}${twice}\n`);
  expect([...index.rowsOf("refused")!]).toEqual([1]);
  expect(data.fault).toBe('rows/rows.jsonl line 2: an object has the key "label" twice: remove one of them.');
  const [row] = await readRows(path, index, [1]);
  expect(row).toMatchObject({ values: undefined, text: twice });
});

test("one bad row among many refuses no other", async () => {
  const many = Array.from({ length: 3000 }, (_, i) => (i === 1234 ? line(i, "a") : line(`row ${i}`, "a"))).join("");
  const { index } = await indexOf(many);
  expect([...index.rowsOf("refused")!]).toEqual([1234]);
});

test("labels are counted, also where a row has several or its words have them", async () => {
  const classes = await indexOf(line("a", "x") + line("b", "y") + line("c", "y"));
  expect(classes.index.labels).toEqual([
    { label: "y", count: 2 },
    { label: "x", count: 1 },
  ]);
  const sets = await indexOf(line("a", ["x", "y"]) + line("b", ["y"]) + line("c", []), {
    ...CLASSES,
    task: "multi-label-classification",
  });
  expect(sets.index.labels).toEqual([
    { label: "y", count: 2 },
    { label: "x", count: 1 },
  ]);
  expect([...sets.index.rowsOf("label:x")!]).toEqual([0]);
  expect([...sets.index.rowsOf("label:y")!]).toEqual([0, 1]);
  expect(sets.index.countOf("unlabeled")).toBe(0);
  const words = `${JSON.stringify({ tokens: ["A", "b"], labels: ["PER", "O"] })}\n${JSON.stringify({ tokens: ["c"], labels: ["O"] })}\n`;
  const tagged = await indexOf(words, {
    task: "token-classification",
    textColumns: ["tokens"],
    labelColumn: ["labels"],
  });
  expect(tagged.index.labels).toEqual([
    { label: "O", count: 2 },
    { label: "PER", count: 1 },
  ]);
  const scores = Array.from({ length: 1500 }, (_, i) => line(`row ${i}`, i / 7)).join("");
  expect((await indexOf(scores, { ...CLASSES, task: "regression" })).index.labels).toBeUndefined();
});

test("prompts and conversations are compared without their answers, and counted with them", async () => {
  const prompts = [
    ["one two", "three"],
    ["one two", "four five"],
    ["six", "three"],
  ];
  const rows = prompts.map(([prompt, completion]) => `${JSON.stringify({ prompt, completion })}\n`).join("");
  const { index, data } = await indexOf(rows, { task: "causal-lm" });
  expect([...index.rowsOf("duplicate")!]).toEqual([1]);
  expect([...data.words]).toEqual([3, 4, 2]);
  expect(index.countOf("unlabeled")).toBe(0);
  const chat = (answer: string, question = "a question") =>
    `${JSON.stringify({
      messages: [
        { role: "user", content: question },
        { role: "assistant", content: answer },
      ],
    })}\n`;
  const chats = await indexOf(chat("yes") + chat("no it is not") + chat("yes", "another"), { task: "causal-lm" });
  expect([...chats.data.words]).toEqual([3, 6, 2]);
  expect([...chats.index.rowsOf("duplicate")!]).toEqual([1]);
});

test("rows are listed by length, and lengths are counted in bars up to the usual ones", async () => {
  const lengths = [3, 1, 3, 2, ...Array<number>(200).fill(2), 1000];
  const { index } = await indexOf(lengths.map((length, i) => line("x".repeat(length - 1) + (i % 10), "a")).join(""));
  expect([...index.rowsOf("longest")!.slice(0, 4)]).toEqual([204, 0, 2, 3]);
  expect(index.lengths(4)).toEqual([
    { from: 0, to: 0, count: 0 },
    { from: 1, to: 1, count: 1 },
    { from: 2, to: 2, count: 201 },
    { from: 3, to: 1000, count: 3 },
  ]);
  expect(index.typical).toEqual({ characters: [2, 1000], words: [1, 1] });
  const same = await indexOf(line("abc", "a") + line("abd", "a"));
  expect(same.index.lengths(24)).toEqual(
    Array.from({ length: 4 }, (_, i) => ({ from: i, to: i, count: i === 3 ? 2 : 0 })),
  );
});

test("a row is replaced, and all other bytes stay", async () => {
  const text = `${line("a", "x")}\r\n${line("b", "y")}${line("c", "z").trimEnd()}`;
  const { path, index } = await indexOf(text);
  const { readFileSync } = await import("node:fs");
  for (const [row, expected] of [
    [0, `NEW\n${line("b", "y")}${line("c", "z").trimEnd()}`],
    [1, `${line("a", "x")}\r\nNEW\n${line("c", "z").trimEnd()}`],
    [2, `${line("a", "x")}\r\n${line("b", "y")}NEW\n`],
  ] as const) {
    const target = freshPath("mended.jsonl");
    await writeWithRow({ path, index, row }, "NEW", target);
    expect(readFileSync(target, "utf8")).toBe(expected);
  }
});

test("a filter is one of those that there are", () => {
  expect(["duplicate", "longest", "label:a:b", "toString", "", null].map(filterFrom)).toEqual([
    "duplicate",
    "longest",
    "label:a:b",
    "all",
    "all",
    "all",
  ]);
});

test("rows with one prompt for all are told apart by their completions, and can be split", async () => {
  const reading: Reading = { task: "causal-lm", textColumns: ["prompt", "completion"] };
  const rows = [...Array.from({ length: 20 }, (_, i) => `answer ${i}`), "answer 3"];
  const text = (prompt: string, completions: readonly string[]) =>
    completions.map((completion) => `${JSON.stringify({ prompt, completion })}\n`).join("");
  const { data, index } = await indexOf(text("same", rows), reading, [text("same", ["answer 5"])]);
  expect([index.countOf("duplicate"), index.countOf("leaked")]).toEqual([1, 1]);
  const counts = countParts(assignRows(data, { validation: 0.1, test: 0, seed: 0, remove: [] }));
  expect(counts.validation).toBeGreaterThan(0);
  // With another prompt in another split, the prompts do tell them apart.
  const other = await indexOf(text("same", rows), reading, [text("other", ["answer 5"])]);
  expect([other.index.countOf("duplicate"), other.index.countOf("leaked")]).toEqual([20, 0]);
});

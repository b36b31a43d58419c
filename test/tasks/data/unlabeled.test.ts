// Rows without a label.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { loadExamples } from "./loadExamples.js";

const folder = temporaryFolders();

function file(name: string, text: string): string {
  const path = join(folder(), name);
  writeFileSync(path, text);
  return path;
}

const classify = { task: "sequence-classification" } as const;

/** Rows with lines 3, 6, 9, … of no label. */
const csv = (count: number): string =>
  ["text,label", ...Array.from({ length: count }, (_, i) => `row ${i},${i % 3 === 1 ? "" : i % 2}`), ""].join("\n");

it("are counted, and the first of them are named", async () => {
  const few = file("few.csv", csv(6));
  await expect(loadExamples(few, classify)).rejects.toThrow(
    `${few}: 2 of 6 rows have no label in the column label (lines 3, 6): write the labels, or remove these rows.`,
  );
  await expect(loadExamples(file("many.csv", csv(60)), { ...classify, dropUnlabeled: false })).rejects.toThrow(
    /: 20 of 60 rows have no label in the column label \(lines 3, 6, 9, 12, 15, …\): write the labels, or leave these rows out with --drop-unlabeled\.$/,
  );
});

it("are left out on demand, with a note", async () => {
  const path = file("few.csv", csv(6));
  const notes: string[] = [];
  const { examples } = await loadExamples(path, {
    ...classify,
    dropUnlabeled: true,
    onNote: (note) => notes.push(note),
  });
  expect(examples.map(({ label, at }) => [label, at.line])).toEqual([
    ["0", 2],
    ["0", 4],
    ["1", 5],
    ["1", 7],
  ]);
  expect(notes).toEqual([`${path}: 2 of 6 rows have no label in the column label (lines 3, 6); they are left out.`]);
});

it("have none where the label is only spaces", async () => {
  const path = file("spaces.csv", "text,label\na,0\nb,  \nc,1\n");
  await expect(loadExamples(path, classify)).rejects.toThrow(
    `${path}: 1 of 3 rows has no label in the column label (line 3): write the labels, or remove these rows.`,
  );
});

it("are kept in rows to predict", async () => {
  const { examples } = await loadExamples(file("few.csv", csv(3)), { ...classify, labels: "optional" });
  expect(examples.map(({ label }) => label)).toEqual(["0", undefined, "0"]);
});

it.each([
  ["sequence-classification", '{"text":"a","label":"x"}\n{"text":"b"}\n{"text":"c","label":null}\n'],
  ["regression", '{"text":"a","label":0.5}\n{"text":"b","label":""}\n{"text":"c"}\n'],
  ["multi-label-classification", '{"text":"a","label":[]}\n{"text":"b","label":null}\n{"text":"c"}\n'],
  ["token-classification", '{"tokens":["a"],"labels":["O"]}\n{"tokens":["b"],"labels":null}\n{"tokens":["c"]}\n'],
  [
    "question-answering",
    '{"question":"a","context":"b","answers":{"text":[],"answer_start":[]}}\n{"question":"a","context":"b"}\n{"question":"a","context":"b","answers":null}\n',
  ],
  [
    "embedding",
    '{"sentence1":"a","sentence2":"b","score":0.5}\n{"sentence1":"a","sentence2":"b"}\n{"sentence1":"a","sentence2":"c","score":null}\n',
  ],
] as const)("are left out for %s", async (task, text) => {
  const path = file("rows.jsonl", text);
  await expect(loadExamples(path, { task })).rejects.toThrow("2 of 3 rows have no label");
  const { examples } = await loadExamples(path, { task, dropUnlabeled: true });
  expect(examples.map(({ at }) => at.line)).toEqual([1]);
});

it("of several columns have a value in none; a row with some of them is at fault itself", async () => {
  const path = file("flags.csv", "text,a,b\nx,1,0\ny,,\n");
  const options = { task: "multi-label-classification", labelColumns: ["a", "b"], dropUnlabeled: true } as const;
  expect((await loadExamples(path, options)).examples.map(({ label }) => label)).toEqual([["a"]]);
  const some = file("some.csv", "text,a,b\nx,1,0\ny,1,\n");
  await expect(loadExamples(some, options)).rejects.toThrow("line 3: the column b must hold 0 or 1");
});

it("alone are refused", async () => {
  const path = file("none.csv", "text,label\na,\nb,\n");
  await expect(loadExamples(path, { ...classify, dropUnlabeled: true })).rejects.toThrow(
    `${path}: no row has a label in the column label: name another column with --label-column.`,
  );
});

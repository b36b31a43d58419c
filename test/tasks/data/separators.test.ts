// The separator of a CSV file, which is found from its header and first rows.
import { writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, it } from "vitest";
import { readCsv, readTsv } from "../../../src/tasks/data/files/tableFiles.js";
import { temporaryFolders } from "../../formats/temporaryFolder.js";
import { loadExamples } from "./loadExamples.js";

const folder = temporaryFolders();

async function read(text: string, name = "rows.csv") {
  const path = join(folder(), name);
  writeFileSync(path, text);
  const notes: string[] = [];
  const onNote = (note: string) => notes.push(note.replace(path, name));
  const { columns, rows } = await (name.endsWith(".tsv") ? readTsv : readCsv)(path, { onNote });
  return { columns, rows: rows.map(({ values }) => Object.values(values)), notes };
}

const SEMICOLONS = ["rows.csv: its columns are separated by semicolons."];

it.each([
  [
    "semicolons",
    "text;label\nHello, world;1\nyes;0\n",
    [
      ["Hello, world", "1"],
      ["yes", "0"],
    ],
    SEMICOLONS,
  ],
  ["tabs", "text\tlabel\nHello, world\t1\n", [["Hello, world", "1"]], ["rows.csv: its columns are separated by tabs."]],
  ["commas", "text,label\nHello; world,1\n", [["Hello; world", "1"]], []],
  ["a byte-order mark and CRLF", '\uFEFFtext;label\r\n"a; ""b""";1\r\n', [['a; "b"', "1"]], SEMICOLONS],
  [
    "decimal commas",
    "text;label\na;1,5\nb, c;2,5\n",
    [
      ["a", "1,5"],
      ["b, c", "2,5"],
    ],
    SEMICOLONS,
  ],
  [
    "a header with commas",
    "text;price, EUR;label\na;1,5;x\nb;2;y\n",
    [
      ["a", "1,5", "x"],
      ["b", "2", "y"],
    ],
    SEMICOLONS,
  ],
  ["as many columns by both", "a;b,c\n1;2,3\n", [["1;2", "3"]], []],
  [
    "a header with semicolons",
    "a;b,c\n1,2\n3;4,5\n",
    [
      ["1", "2"],
      ["3;4", "5"],
    ],
    [],
  ],
  ["quoted separators of the other kind", '"text;of it","label, or"\n"a;b","c,d"\n', [["a;b", "c,d"]], []],
  ["only a header", '"text";"label"\n"a";"1"', [["a", "1"]], SEMICOLONS],
  [
    "line breaks in quotes",
    'text;label\n"a\nb, c";1\n"d, e\n, f";0\n',
    [
      ["a\nb, c", "1"],
      ["d, e\n, f", "0"],
    ],
    SEMICOLONS,
  ],
] as const)("a file with %s", async (_, text, rows, notes) => {
  expect(await read(text)).toMatchObject({ rows, notes });
});

it("a file with one column has commas, whatever its rows hold", async () => {
  expect(await read("text\nHello; world\ta\n")).toMatchObject({
    columns: ["text"],
    rows: [["Hello; world\ta"]],
    notes: [],
  });
  await expect(read("text\nHello, world\n")).rejects.toThrow("rows.csv line 2: 2 columns, but the header has 1.");
});

it("a row with another number of columns is named by its line", async () => {
  await expect(read("text;label\na;1\nb;c;0\n")).rejects.toThrow("rows.csv line 3: 3 columns, but the header has 2.");
  await expect(read('text;label\na;1\nsay "b";0\n')).rejects.toThrow("rows.csv line 3: a field contains a quote");
});

it("a .tsv file has tabs", async () => {
  expect(await read("text;x\tlabel\na;b;c\t1\n", "rows.tsv")).toMatchObject({
    columns: ["text;x", "label"],
    notes: [],
  });
  await expect(read("text;label\na\tb;1\n", "rows.tsv")).rejects.toThrow("2 columns, but the header has 1");
});

it("a number with a decimal comma is refused with what to write", async () => {
  const path = join(folder(), "rows.csv");
  writeFileSync(path, "text;score\na, b;1,5\n");
  await expect(loadExamples(path, { task: "regression" })).rejects.toThrow(
    'rows.csv line 2: the column score must hold a number with a point in place of the comma, but holds "1,5".',
  );
});

it("a quote far from the first rows does not hide the separator", async () => {
  const rows = Array.from({ length: 100 }, (_, i) => `row ${i}, and more;${i % 2}`);
  await expect(read(["text;label", ...rows, 'say "b";0'].join("\n"))).rejects.toThrow(
    "rows.csv line 102: a field contains a quote",
  );
});

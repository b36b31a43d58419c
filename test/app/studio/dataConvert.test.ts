// Files of rows in other formats as JSONL.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { convert } from "../../../src/app/studio/data/importing/convert.js";
import { EXCEL } from "../../../src/app/studio/data/importing/excel.js";
import { FORMATS } from "../../../src/app/studio/data/importing/uploads.js";
import { formsOfFile } from "../../../src/tasks/data/index.js";
import { GOLDEN } from "../../support/golden.js";
import { freshPath } from "../../support/workFolder.js";

async function converted(path: string, hasHeader?: boolean) {
  const target = freshPath("rows.jsonl");
  const shares: number[] = [];
  const result = await convert({ kind: "convert", path, target, hasHeader }, (share) => shares.push(share));
  expect(shares.toSorted((a, b) => a - b)).toEqual(shares);
  const text = existsSync(target) ? readFileSync(target, "utf8") : "";
  return {
    ...result,
    shares,
    values: text
      .split("\n")
      .filter(Boolean)
      .map((line) => JSON.parse(line)),
  };
}

function written(name: string, text: string | Buffer): string {
  const path = `${freshPath("rows")}-${name}`;
  writeFileSync(path, text);
  return path;
}

test("values that JSON has no form for are written as texts, or left out with a note", async () => {
  const integers = await converted(join(GOLDEN, "data", "integers.parquet"));
  expect(integers.rows).toBe(integers.values.length);
  expect(
    integers.values.flatMap(Object.values).some((value) => typeof value === "string" && /^\d{16,}$/.test(value)),
  ).toBe(true);
  const bytes = await converted(join(GOLDEN, "data", "bytes.parquet"));
  expect(bytes.notes).toEqual([
    expect.stringMatching(/^The column \w+ has bytes that are not text: these are left out\.$/),
  ]);
  expect(bytes.values).toHaveLength(bytes.rows);
});

test("quotes, line breaks and other separators are read as training reads them", async () => {
  const path = written("a.csv", 'text;label\n"two\nlines; ""quoted""";a\n\nx;b\n');
  const { values, notes, shares, rows } = await converted(path);
  expect(values).toEqual([
    { text: 'two\nlines; "quoted"', label: "a" },
    { text: "x", label: "b" },
  ]);
  expect([rows, shares.at(-1)]).toEqual([2, 1]);
  expect(notes).toEqual([expect.stringContaining("its columns are separated by semicolons")]);
  const plain = await converted(written("b.tsv", 'a "quote\tx\nb\ty\n'), false);
  expect(plain.values).toEqual([
    { column1: 'a "quote', column2: "x" },
    { column1: "b", column2: "y" },
  ]);
});

test("all that training reads can be sent, and is read", async () => {
  const rows = '{"text": "one", "label": "a"}\n{"text": "two", "label": "b"}\n';
  const words = "John\tB-PER\nruns\tO\n\nMary\tB-PER\nsleeps\tO\n";
  const tables: Readonly<Record<string, string | Buffer>> = {
    ".jsonl": rows,
    ".json": rows,
    ".csv": "text,label\none,a\ntwo,b\n",
    ".tsv": "text\tlabel\none\ta\ntwo\tb\n",
    ".parquet": readFileSync(join(GOLDEN, "data", "bytes.parquet")),
  };
  const sent = FORMATS.filter((ending) => ending !== EXCEL);
  expect(sent).toEqual(expect.arrayContaining([...Object.keys(tables), ".conllu", ".conll", ".iob2", ".iob", ".bio"]));
  for (const ending of sent) {
    const path = written(`a${ending}`, tables[ending] ?? words);
    const { isWords, rows } = await converted(path);
    expect([ending, isWords, rows > 0]).toEqual([ending, !(ending in tables), ending in tables]);
    expect(formsOfFile(path)).toMatchObject(isWords ? { isWords } : { isTable: true });
  }
});

test("JSONL is read and not written again", async () => {
  const path = written("a.jsonl", '{"text": "a"}\n{"text": "b"}\n');
  expect(await convert({ kind: "convert", path }, () => {})).toEqual({ isWords: false, rows: 2, notes: [] });
  await expect(convert({ kind: "convert", path: written("b.jsonl", '{"a": 1}\n[2]\n') }, () => {})).rejects.toThrow(
    "line 2: expected a JSON object",
  );
  await expect(convert({ kind: "convert", path: written("c.jsonl", " \n") }, () => {})).rejects.toThrow("is empty");
});

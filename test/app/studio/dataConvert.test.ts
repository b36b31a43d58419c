// Files of rows in other formats as JSONL.
import { existsSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { expect, test } from "vitest";
import { convert } from "../../../src/app/studio/data/importing/convert.js";
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

function written(name: string, text: string): string {
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

test("JSONL is read and not written again", async () => {
  const path = written("a.jsonl", '{"text": "a"}\n{"text": "b"}\n');
  expect(await convert({ kind: "convert", path }, () => {})).toEqual({ isWords: false, rows: 2, notes: [] });
  await expect(convert({ kind: "convert", path: written("b.jsonl", '{"a": 1}\n[2]\n') }, () => {})).rejects.toThrow(
    "line 2: expected a JSON object",
  );
  await expect(convert({ kind: "convert", path: written("c.jsonl", " \n") }, () => {})).rejects.toThrow("is empty");
});

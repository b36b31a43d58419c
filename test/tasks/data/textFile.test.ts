import { spawnSync } from "node:child_process";
import { mkdtempSync, rmSync, writeFileSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import fc from "fast-check";
import { afterAll, describe, expect, it } from "vitest";
import { readCsv, readTsv } from "../../../src/tasks/data/files/tableFiles.js";
import { hasCharacter, readLines, readText } from "../../../src/tasks/data/files/textFile.js";
import { loadExamples } from "./loadExamples.js";

const folder = mkdtempSync(join(tmpdir(), "bidora-text-"));
afterAll(() => rmSync(folder, { recursive: true }));

function file(name: string, content: string | Uint8Array): string {
  const path = join(folder, name);
  writeFileSync(path, content);
  return path;
}

async function gather<T>(parts: AsyncIterable<T>): Promise<T[]> {
  const all: T[] = [];
  for await (const part of parts) all.push(part);
  return all;
}

describe("a file read in chunks", () => {
  it("the lines do not depend on the chunks", async () => {
    const pieces = fc.array(fc.constantFrom("a", "é", "€", "😀", " ", "\r", "\n", "\r\n", "\uFEFF"), { maxLength: 40 });
    const sizes = fc.integer({ min: 1, max: 50 });
    await fc.assert(
      fc.asyncProperty(pieces, sizes, async (parts, chunkBytes) => {
        // A first line in which a CR stands is refused.
        const text = `x\n${parts.join("")}`;
        const path = file("lines.txt", text);
        const expected = text.split("\n").map((line) => line.replace(/\r$/, ""));
        if (expected.at(-1) === "") expected.pop();
        expect((await gather(readLines(path, chunkBytes))).flat()).toEqual(expected);
        expect((await gather(readText(path, chunkBytes))).join("")).toBe(text);
      }),
      { numRuns: 60 },
    );
  });

  it("a byte-order mark is removed only at the start", async () => {
    expect(await gather(readText(file("mark.txt", "\uFEFFa\n\uFEFFb"), 2))).toEqual(["a\n", "\uFEFFb"]);
  });

  it.each([[1], [7], [1000]])(
    "an error names the line of a byte that is not UTF-8, in chunks of %i",
    async (chunkBytes) => {
      const path = file("latin.txt", Buffer.from("one\ntwo\n\nM\u00e4dchen\n", "latin1"));
      await expect(gather(readLines(path, chunkBytes))).rejects.toThrow("latin.txt line 4: byte 0xE4 is not UTF-8");
      const wide = file("wide.txt", Buffer.from("\uFEFFabc\nd", "utf16le"));
      await expect(gather(readLines(wide, chunkBytes))).rejects.toThrow("UTF-16");
    },
  );

  it("a blank file is empty, and a character is found in a file", async () => {
    await expect(gather(readLines(file("blank.txt", " \n\t\n"), 1))).rejects.toThrow("blank.txt is empty");
    expect(await hasCharacter(file("tab.txt", "a\tb"), "\t")).toBe(true);
    expect(await hasCharacter(file("no.txt", "ab"), "\t")).toBe(false);
  });
});

/** Longer than a chunk, so that rows and quotes stand across chunks. */
describe("a file of several chunks", () => {
  const COUNT = 20_000;
  const rows = Array.from({ length: COUNT }, (_, i) => ({ text: `row ${i} é ${"x".repeat(i % 100)}`, label: i % 2 }));
  const examples = rows.map(({ text, label }, i) => ({ input: [text], label, line: i + 1 }));

  it("JSON lines are read across chunks", async () => {
    const path = file("rows.jsonl", rows.map((row) => `${JSON.stringify(row)}\n`).join(""));
    const read = await loadExamples(path, { task: "sequence-classification" });
    const seen = read.examples.map((row) => ({ input: row.input, label: row.label, line: row.at.line }));
    expect(seen).toEqual(examples);
  });

  it("CSV and TSV with quotes and line breaks are read across chunks", async () => {
    const csv = file(
      "rows.csv",
      `text,label\n${rows.map(({ text, label }) => `"${text},\n""",${label}\r\n`).join("")}`,
    );
    const table = await readCsv(csv);
    const expected = rows.map(({ text, label }, i) => ({
      line: 2 * i + 2,
      values: { text: `${text},\n"`, label: String(label) },
    }));
    expect(table.rows).toEqual(expected);
    const tsv = file("rows.tsv", `text\tlabel\n${rows.map(({ text, label }) => `"${text}\t"\t${label}\n`).join("")}`);
    expect((await readTsv(tsv)).rows.map((row) => row.values.text)).toEqual(rows.map(({ text }) => `${text}\t`));
  });

  it("CoNLL columns are read across chunks, with the only tab at the end", async () => {
    const path = file("rows.conll", `${rows.map((_, i) => `w ${i} O\n\n`).join("")}last\tO\n`);
    await expect(loadExamples(path, { task: "token-classification" })).rejects.toThrow(
      `rows.conll line ${2 * COUNT + 1}: 2 columns, but the lines before have 1.`,
    );
  });

  it("a GLUE file can have more rows than a call has arguments", async () => {
    const { namedDatasets } = await import("../../../src/tasks/datasets/index.js");
    const many = Array.from({ length: 200_000 }, (_, i) => `row ${i}\t${i % 2}\n`);
    file("train.tsv", `sentence\tlabel\n${many.join("")}`);
    expect((await namedDatasets["glue/sst2"].load(folder, "train")).examples.length).toBe(200_000);
  });
});

describe("special files", () => {
  it.each([["rows.jsonl"], ["rows.csv"], ["rows.tsv"], ["rows.parquet"]])(
    "is refused: a pipe called %s",
    async (name) => {
      const pipe = join(folder, `pipe-${name}`);
      spawnSync("mkfifo", [pipe]);
      await expect(loadExamples(pipe, { task: "sequence-classification" })).rejects.toThrow(
        `${pipe} is a pipe, but a regular file is expected`,
      );
    },
  );

  it("a device is refused", async () => {
    await expect(gather(readLines("/dev/zero"))).rejects.toThrow("/dev/zero is a device");
  });
});
